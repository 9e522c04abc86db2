"""Authentication of staff by session cookie, protection of forms against CSRF, and the routes of pages."""

import hmac
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from premade.console.rendering import HEADERS, Templates
from premade.http.body import BodyRefused, header_values, receive_body
from premade.http.gateway import PageRoute
from premade.http.problems import (
    TRANSPORT_PROBLEMS,
    problem_of_router,
    status_of_kind,
    tell_when_to_retry,
)
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError, FieldError, Forbidden, Invalid
from premade.runtime.logging import log
from premade.runtime.metrics import REFUSALS
from premade.staff.role import Right
from premade.staff.session import (
    BROWSER_SECONDS_MAX,
    SESSION_SECONDS_MAX,
    Member,
    Sessions,
    SignedIn,
    form_token,
)
from premade.values.texts import cleaned

Service = TypeVar("Service")

HOME = "/console"
SIGN_IN = f"{HOME}/sign-in"
COOKIE = "premade_session"
BROWSER_COOKIE = "premade_browser"
FORM_BYTES_MAX = 16_384
FORM_FIELDS_MAX = 50
QUERY_CHARACTERS_MAX = 2_000
FORM_TOKEN = "form_token"  # noqa: S105  (the name of a field)
_ONCE_BYTES = 16
_ONCE = re.compile(rf"[0-9a-f]{{{2 * _ONCE_BYTES}}}")
_SEE_OTHER = 303


class RoleMissing(Forbidden):
    """The role of the signed-in member does not allow this. Nothing was changed."""

    code = "ROLE_MISSING"
    title = "Your role may not see this page"
    remedy = "Ask an admin, if you need it."


class FormForeign(Forbidden):
    """The form was not sent from a page of this console, or its session has ended. Nothing was changed."""

    code = "FORM_FOREIGN"
    title = "This form is no longer valid"
    remedy = "Go back, reload the page and send the form again."


@dataclass(frozen=True)
class StaffRequest:
    """A request for a page by a signed-in member of the staff."""

    request: Request
    templates: Templates
    member: Member
    token: str
    form: dict[str, str]
    """Fields of the form; empty for GET."""

    @property
    def database(self) -> Database:
        """The database of the application."""
        return self.request.app.state.database

    @property
    def runtime(self) -> Runtime:
        """The clock, randomness and time zone of the application."""
        return self.request.app.state.runtime

    @property
    def request_id(self) -> str:
        """The id that the answer carries in X-Request-Id."""
        return self.request.scope["state"]["request_id"]

    def use(self, kind: type[Service]) -> Service:
        """Return the application's instance of a service class."""
        return self.request.app.state.services[kind]

    def query(self, name: str) -> str:
        """Return a query parameter, trimmed, or ""."""
        return cleaned(self.request.query_params.get(name, ""))

    def field(self, name: str, otherwise: str = "") -> str:
        """Return a field of the form, trimmed: for numbers, days and ids.

        Read names, reasons and passwords from `form`: they have rules of their own.
        """
        return cleaned(self.form.get(name, otherwise))

    def own_link_param(self, name: str) -> str:
        """Return a query parameter only if a page of the console led here: other sites must not be able to show notices."""
        return (
            self.query(name) if header_values(self.request, "Sec-Fetch-Site") in ([], ["same-origin"]) else ""
        )

    def path_param(self, name: str) -> str:
        """Return a path parameter."""
        return self.request.path_params[name]

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        """Render a template for this member."""
        given = {"member": self.member, FORM_TOKEN: form_token(self.token), **shown}
        return self.templates.page(template, status, **given)

    def new_nonce(self) -> str:
        """Return a nonce for a form: however often the form is sent, it has effect once."""
        return self.runtime.random_bytes(_ONCE_BYTES).hex()

    def nonce(self) -> str:
        """Return the nonce of the form that was sent. Raises FormForeign if it has none."""
        once = self.form.get("once", "")
        if not _ONCE.fullmatch(once):
            message = "This form was not sent from the console."
            raise FormForeign(message)
        return once

    def require(self, right: Right) -> None:
        """Raise RoleMissing unless the member's role has the right."""
        if not self.member.may(right):
            message = f"You are signed in as {self.member.name}, whose role is {self.member.role}."
            raise RoleMissing(message)


Shown = Callable[[StaffRequest], Awaitable[Response]]


def page(
    templates: Templates, path: str, show: Shown, send: Shown | None = None, right: Right | None = None
) -> list[PageRoute]:
    """Return the routes of one page, for members with the right (None: all members).

    `show` handles GET, `send` handles POST.
    """

    async def looked_at(request: Request) -> Response:
        visit = await _admitted(request, templates)
        if visit is None:
            return _to_sign_in(request)
        if right:
            visit.require(right)
        return await show(visit)

    async def sent(request: Request) -> Response:
        assert send is not None
        # The body is read only for somebody who is signed in.
        require_own_page(request)
        visit = await _admitted(request, templates)
        if visit is None:
            return _to_sign_in(request)
        if right:
            visit.require(right)
        form = await read_form(request)
        if not hmac.compare_digest(form_token(visit.token).encode(), form.get(FORM_TOKEN, "").encode()):
            message = "It does not belong to this session. Somebody may have signed in again."
            raise FormForeign(message)
        return await send(replace(visit, form=form))

    routes = [PageRoute(path, told_as_pages(templates, looked_at))]
    if send is not None:
        routes.append(PageRoute(path, told_as_pages(templates, sent), methods=("POST",)))
    return routes


def form_only(templates: Templates, path: str, send: Shown, right: Right | None = None) -> list[PageRoute]:
    """Return the routes of a form that is shown on another page. GET redirects to the first page."""

    async def nothing(_: StaffRequest) -> Response:
        return go_to(HOME)

    return page(templates, path, nothing, send, right)


def told_as_pages(
    templates: Templates, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler: errors become pages."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except DomainError as error:
            REFUSALS.labels(error.code).inc()
            answered = await _error_page(
                request, templates, status_of_kind(type(error)), error.title, error.detail, _remedy(error)
            )
            tell_when_to_retry(answered, error)
            return answered
        except HTTPException as error:
            told = problem_of_router(error)
            REFUSALS.labels(told.code).inc()
            return await _error_page(request, templates, error.status_code, told.title, "", "")
        except BodyRefused as error:
            told = TRANSPORT_PROBLEMS[error.code]
            REFUSALS.labels(told.code).inc()
            answered = await _error_page(request, templates, told.status, told.title, error.detail, "")
            # The rest of the body is not read.
            answered.headers["Connection"] = "close"
            return answered
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  (the member gets a page, whatever failed)
            log.exception("console.failed")
            internal = TRANSPORT_PROBLEMS["INTERNAL"]
            return await _error_page(request, templates, internal.status, internal.title, internal.why, "")

    return endpoint


def _remedy(error: DomainError) -> str:
    # The remedy of Invalid is about members of a JSON answer.
    return "Go back, fix the fields and try again." if isinstance(error, Invalid) else error.remedy


async def _error_page(
    request: Request, templates: Templates, status: int, title: str, detail: str, remedy: str
) -> Response:
    member, token = None, ""
    # When the database is away, the page says so without the menu.
    with suppress(DomainError):
        member, token = await _signed_in(request)
    shown = {
        "member": member,
        FORM_TOKEN: form_token(token) if member else "",
        "title": title,
        "detail": detail,
        "remedy": remedy,
        "request_id": request.scope["state"]["request_id"],
    }
    return templates.page("error.html", status, **shown)


async def _signed_in(request: Request) -> tuple[Member | None, str]:
    token = request.cookies.get(COOKIE, "")
    sessions: Sessions = request.app.state.services[Sessions]
    return (await sessions.member_of(token) if token else None), token


async def _admitted(request: Request, templates: Templates) -> StaffRequest | None:
    member, token = await _signed_in(request)
    if member is None:
        return None
    return StaffRequest(request, templates, member, token, {})


def _to_sign_in(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return go_to(SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted, safe='/')}")


def own_address(text: str) -> str:
    """Return the address if it is a page of the console, or else the first page."""
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket of IPv6 that does not close
        return HOME
    is_ours = not parts.scheme and not parts.netloc and (parts.path == HOME or text.startswith(f"{HOME}/"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if is_ours and is_plain and len(text) <= QUERY_CHARACTERS_MAX else HOME


def go_to(address: str) -> RedirectResponse:
    """Redirect to another page (303)."""
    return RedirectResponse(address, _SEE_OTHER, headers=HEADERS)


def keep_signed_in(answer: Response, request: Request, signed_in: SignedIn) -> None:
    """Set the browser's cookies. No script can read them, and no other site can send them."""
    for name, value, seconds in (
        (COOKIE, signed_in.token, SESSION_SECONDS_MAX),
        (BROWSER_COOKIE, signed_in.browser, BROWSER_SECONDS_MAX),
    ):
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path=HOME,
            httponly=True,
            samesite="strict",
            # Behind a proxy only the browser knows whether it uses https; the Origin of each form says so.
            secure=request.url.scheme == "https" or _origin(request).startswith("https://"),
        )


def forget(answer: Response) -> None:
    """Delete the session's cookie. The cookie that marks a known browser stays."""
    answer.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="strict")


def _origin(request: Request) -> str:
    return next(iter(header_values(request, "Origin")), "")


def require_own_page(request: Request) -> None:
    """Raise FormForeign unless the form was sent from a page of this site.

    Browsers send Sec-Fetch-Site over https; old ones, and all over plain http, send only Origin.
    """
    fetched_from = header_values(request, "Sec-Fetch-Site")
    if fetched_from:
        is_own = fetched_from == ["same-origin"]
    else:
        host = request.headers.get("host", "")
        is_own = host != "" and _origin(request) in {f"http://{host}", f"https://{host}"}
    if not is_own:
        message = "The browser says that the form is on another site."
        raise FormForeign(message)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form, each once. Raises BodyRefused, or FormForeign if the console has no such form."""
    body = await receive_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="replace"
        )
    except ValueError:
        message = "This form was not sent from the console."
        raise FormForeign(message) from None
    return dict(fields)


def by_field(errors: list[FieldError]) -> dict[str, str]:
    """Return the error of each field, by name."""
    return {error.pointer: error.detail for error in errors}
