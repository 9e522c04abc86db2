"""Addresses of the console, and redirects to them."""

from urllib.parse import urlsplit

from starlette.responses import RedirectResponse

from premade.console.rendering import HEADERS

HOME = "/console"
SIGN_IN = f"{HOME}/sign-in"
ADDRESS_CHARACTERS_MAX = 2_000
_SEE_OTHER = 303


def own_address(text: str) -> str:
    """Return the address if it is a page of the console, or else the first page."""
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket of IPv6 that does not close
        return HOME
    is_ours = not parts.scheme and not parts.netloc and (parts.path == HOME or text.startswith(f"{HOME}/"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if is_ours and is_plain and len(text) <= ADDRESS_CHARACTERS_MAX else HOME


def go_to(address: str) -> RedirectResponse:
    """Redirect to another page (303)."""
    return RedirectResponse(address, _SEE_OTHER, headers=HEADERS)
