"""Authentication of staff by session cookie."""

from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from premade.console.addresses import HOME, SIGN_IN, go_to
from premade.console.cookies import cookie_of, set_cookie
from premade.runtime.errors import Forbidden
from premade.staff.provider_sign_in import SIGN_IN_SECONDS_MAX
from premade.staff.role import Right
from premade.staff.session import (
    BROWSER_SECONDS_MAX,
    HALF_SECONDS_MAX,
    SESSION_SECONDS_MAX,
    Member,
    Sessions,
    SignedIn,
)

SESSION_COOKIE = "premade_session"
BROWSER_COOKIE = "premade_browser"
HALF_COOKIE = "premade_half_signed_in"
"""Of a sign-in that waits for the code of the second factor."""
PROVIDER_COOKIE = "premade_provider"
"""Of a sign-in at the identity provider that is not yet completed."""


@dataclass(eq=False)
class RoleMissing(Forbidden):
    """The role of the signed-in member does not allow this."""

    code = "ROLE_MISSING"

    name: str
    role: str


async def signed_in_member(request: Request) -> tuple[Member | None, str]:
    """Return the member of the request's session cookie, or None, and the session's token."""
    token = session_token(request)
    sessions: Sessions = request.app.state.services[Sessions]
    return (await sessions.find_member(token) if token else None), token


def session_token(request: Request) -> str:
    """Return the token of the request's session cookie, or an empty string."""
    return cookie_of(request, SESSION_COOKIE) or ""


def browser_token(request: Request) -> str | None:
    """Return the token of the cookie that marks a known browser, or None."""
    return cookie_of(request, BROWSER_COOKIE)


def half_token(request: Request) -> str | None:
    """Return the token of the cookie of a half sign-in, or None."""
    return cookie_of(request, HALF_COOKIE)


def set_half_cookie(response: Response, request: Request, token: str) -> None:
    """Set the cookie of a half sign-in."""
    set_cookie(response, request, HALF_COOKIE, token, HALF_SECONDS_MAX)


def delete_half_cookie(response: Response, request: Request) -> None:
    """Delete the cookie of a half sign-in."""
    set_cookie(response, request, HALF_COOKIE, "", 0)


def provider_cookie(request: Request) -> str | None:
    """Return the cookie of a sign-in at the identity provider, or None."""
    return cookie_of(request, PROVIDER_COOKIE)


def set_provider_cookie(response: Response, request: Request, value: str) -> None:
    """Set the cookie of a sign-in at the identity provider. Browsers send it when the provider leads them back here."""
    set_cookie(response, request, PROVIDER_COOKIE, value, SIGN_IN_SECONDS_MAX, samesite="lax")


def delete_provider_cookie(response: Response, request: Request) -> None:
    """Delete the cookie of a sign-in at the identity provider."""
    set_cookie(response, request, PROVIDER_COOKIE, "", 0, samesite="lax")


def require_right(member: Member, right: Right) -> None:
    """Raise RoleMissing unless the member's role has the right."""
    if not member.may(right):
        raise RoleMissing(member.name, member.role)


def go_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in page, which leads back to the requested page."""
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return go_to(SIGN_IN if address == HOME else f"{SIGN_IN}?next={quote(address, safe='/')}")


def set_session_cookies(response: Response, request: Request, signed_in: SignedIn) -> None:
    """Set the cookies of the session and of the known browser. No script can read them, and no other site can send them."""
    for name, value, seconds in (
        (SESSION_COOKIE, signed_in.token, SESSION_SECONDS_MAX),
        (BROWSER_COOKIE, signed_in.browser, BROWSER_SECONDS_MAX),
    ):
        set_cookie(response, request, name, value, seconds)


def delete_session_cookie(response: Response, request: Request) -> None:
    """Delete the session's cookie. The cookie that marks a known browser stays."""
    set_cookie(response, request, SESSION_COOKIE, "", 0)
