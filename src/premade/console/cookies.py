"""Cookies of the console."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from premade.console.addresses import HOME
from premade.console.csrf import origin_of

_HTTPS_PREFIX = "__Host-"
"""Prefix of the name of a cookie that is set over https. With it, browsers allow no other host of the domain to set the cookie
(RFC 6265bis, 4.1.3.2)."""


def cookie_of(request: Request, name: str) -> str | None:
    """Return the value of a cookie, or None."""
    value = request.cookies.get(f"{_HTTPS_PREFIX}{name}")
    if value is None and request.url.scheme != "https":
        return request.cookies.get(name)
    return value


def set_cookie(
    response: Response,
    request: Request,
    name: str,
    value: str,
    seconds: int,
    *,
    samesite: Literal["strict", "lax"] = "strict",
) -> None:
    """Set a cookie, for `seconds`. 0 deletes it. No script can read it."""
    # Behind a proxy that is not trusted, the service sees http. Only the Origin of a form then says that the browser uses https.
    is_secure = request.url.scheme == "https" or origin_of(request).startswith("https://")
    response.set_cookie(
        f"{_HTTPS_PREFIX}{name}" if is_secure else name,
        value,
        max_age=seconds,
        path="/" if is_secure else HOME,
        httponly=True,
        samesite=samesite,
        secure=is_secure,
    )
