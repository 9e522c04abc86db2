"""Who is let in to a page: the session's cookie, and that a form came from a page of our own."""

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

from premade.base.body import BodyRefused, header_values, receive_body
from premade.base.edge import Page
from premade.base.errors import DomainError, FieldError, Forbidden, Invalid
from premade.base.logs import log
from premade.base.metrics import REFUSALS
from premade.base.problems import (
    TRANSPORT_PROBLEMS,
    problem_of_router,
    status_of_kind,
    tell_when_to_retry,
)
from premade.base.texts import cleaned
from premade.base.work import Database
from premade.base.world import World
from premade.console.paper import HEADERS, Paper
from premade.staff.role import Right
from premade.staff.session import (
    BROWSER_SECONDS_MAX,
    SESSION_SECONDS_MAX,
    Member,
    Sessions,
    SignedIn,
    form_token,
)

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
    """Who is signed in has a role that may not see or do this. Nothing was changed."""

    code = "ROLE_MISSING"
    title = "Your role may not see this page"
    remedy = "Ask an admin, if you need it."


class FormForeign(Forbidden):
    """The form did not come from a page of this console, or its session is over. Nothing was changed."""

    code = "FORM_FOREIGN"
    title = "This form is no longer good"
    remedy = "Go back, load the page anew, and send it once more."


@dataclass(frozen=True)
class Visit:
    """One request for a page, by somebody who is let in."""

    request: Request
    paper: Paper
    member: Member
    token: str
    form: dict[str, str]
    """The fields that were sent; empty when the page is only looked at."""

    @property
    def database(self) -> Database:
        """As the process has it."""
        return self.request.app.state.database

    @property
    def world(self) -> World:
        """As the process has it."""
        return self.request.app.state.world

    @property
    def request_id(self) -> str:
        """As the answer says it."""
        return self.request.scope["state"]["request_id"]

    def use(self, kind: type[Service]) -> Service:
        """What the process keeps one of, as the application wired it."""
        return self.request.app.state.services[kind]

    def asked(self, name: str) -> str:
        """A parameter of the address as somebody typed it, or ""."""
        return cleaned(self.request.query_params.get(name, ""))

    def filled(self, name: str, otherwise: str = "") -> str:
        """A field of the form as somebody typed it: for numbers, days, ids. Names, reasons and passwords have rules of
        their own, and are read from `form`.
        """
        return cleaned(self.form.get(name, otherwise))

    def told(self, name: str) -> str:
        """The same, of what a page of our own led here with: a notice is none that another site's link can give."""
        return (
            self.asked(name) if header_values(self.request, "Sec-Fetch-Site") in ([], ["same-origin"]) else ""
        )

    def named(self, name: str) -> str:
        """A part of the path."""
        return self.request.path_params[name]

    def page(self, template: str, status: int = 200, **shown: Any) -> Response:
        """A page for this visitor."""
        given = {"member": self.member, FORM_TOKEN: form_token(self.token), **shown}
        return self.paper.page(template, status, **given)

    def new_once(self) -> str:
        """For a form that is shown: what makes it count once, however often it is sent."""
        return self.world.random_bytes(_ONCE_BYTES).hex()

    def once(self) -> str:
        """What the form that was sent carries of that kind. FormForeign when it carries none."""
        once = self.form.get("once", "")
        if not _ONCE.fullmatch(once):
            message = "It is no form of this console."
            raise FormForeign(message)
        return once

    def require(self, right: Right) -> None:
        """RoleMissing unless their role has it."""
        if not self.member.may(right):
            message = f"You are signed in as {self.member.name}, whose role is {self.member.role}."
            raise RoleMissing(message)


Shown = Callable[[Visit], Awaitable[Response]]


def page(
    paper: Paper, path: str, show: Shown, send: Shown | None = None, right: Right | None = None
) -> list[Page]:
    """The routes of one page for those who have the right (None: everybody who is signed in).

    `show` answers it; `send`, what is done with its form.
    """

    async def looked_at(request: Request) -> Response:
        visit = await _admitted(request, paper)
        if visit is None:
            return _to_sign_in(request)
        if right:
            visit.require(right)
        return await show(visit)

    async def sent(request: Request) -> Response:
        assert send is not None
        # The body is read only for somebody who is signed in.
        require_own_page(request)
        visit = await _admitted(request, paper)
        if visit is None:
            return _to_sign_in(request)
        if right:
            visit.require(right)
        form = await read_form(request)
        if not hmac.compare_digest(form_token(visit.token).encode(), form.get(FORM_TOKEN, "").encode()):
            message = "It does not belong to this session; somebody signed in anew, perhaps."
            raise FormForeign(message)
        return await send(replace(visit, form=form))

    routes = [Page(path, told_as_pages(paper, looked_at))]
    if send is not None:
        routes.append(Page(path, told_as_pages(paper, sent), methods=("POST",)))
    return routes


def form_only(paper: Paper, path: str, send: Shown, right: Right | None = None) -> list[Page]:
    """The route of a form that stands on another page; who comes to its address is led home."""

    async def nothing(_: Visit) -> Response:
        return go_to(HOME)

    return page(paper, path, nothing, send, right)


def told_as_pages(
    paper: Paper, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """The same, with every refusal as a page that a person can read."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except DomainError as error:
            REFUSALS.labels(error.code).inc()
            answered = await _error_page(
                request, paper, status_of_kind(type(error)), error.title, error.detail, _remedy(error)
            )
            tell_when_to_retry(answered, error)
            return answered
        except HTTPException as error:
            told = problem_of_router(error)
            REFUSALS.labels(told.code).inc()
            return await _error_page(request, paper, error.status_code, told.title, "", "")
        except BodyRefused as error:
            told = TRANSPORT_PROBLEMS[error.code]
            REFUSALS.labels(told.code).inc()
            answered = await _error_page(request, paper, told.status, told.title, error.detail, "")
            # The rest of the body is not read.
            answered.headers["Connection"] = "close"
            return answered
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  (whatever it was, a person gets a page)
            log.exception("console.failed")
            detail = "Something happened that nobody foresaw. What was asked for is done whole or not at all."
            return await _error_page(request, paper, 500, "The service made a mistake", detail, "")

    return endpoint


def _remedy(error: DomainError) -> str:
    # The one of Invalid speaks of members of an answer that a page does not have.
    return "Go back, mend that, and try again." if isinstance(error, Invalid) else error.remedy


async def _error_page(
    request: Request, paper: Paper, status: int, title: str, detail: str, remedy: str
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
    return paper.page("error.html", status, **shown)


async def _signed_in(request: Request) -> tuple[Member | None, str]:
    token = request.cookies.get(COOKIE, "")
    sessions: Sessions = request.app.state.services[Sessions]
    return (await sessions.member_of(token) if token else None), token


async def _admitted(request: Request, paper: Paper) -> Visit | None:
    member, token = await _signed_in(request)
    if member is None:
        return None
    return Visit(request, paper, member, token, {})


def _to_sign_in(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return go_to(SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted, safe='/')}")


def own_address(text: str) -> str:
    """The address when it is one of the console's pages; otherwise the console's first page."""
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket of IPv6 that does not close
        return HOME
    is_ours = not parts.scheme and not parts.netloc and (parts.path == HOME or text.startswith(f"{HOME}/"))
    is_plain = text.isascii() and text.isprintable() and "\\" not in text
    return text if is_ours and is_plain and len(text) <= QUERY_CHARACTERS_MAX else HOME


def go_to(address: str) -> RedirectResponse:
    """To another page, to be looked at."""
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
    """FormForeign unless the browser says that the form stands on a page of this site.

    Old browsers, and those on plain http, send no Sec-Fetch-Site; all send Origin with a form.
    """
    fetched_from = header_values(request, "Sec-Fetch-Site")
    if fetched_from:
        is_own = fetched_from == ["same-origin"]
    else:
        host = request.headers.get("host", "")
        is_own = host != "" and _origin(request) in {f"http://{host}", f"https://{host}"}
    if not is_own:
        message = "The browser says that it stands on another site."
        raise FormForeign(message)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form, each once. Raises BodyRefused, or FormForeign if the console has no such form."""
    body = await receive_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="replace"
        )
    except ValueError:
        message = "It is no form of this console."
        raise FormForeign(message) from None
    return dict(fields)


def by_field(errors: list[FieldError]) -> dict[str, str]:
    """What is wrong with each field of a form, by its name."""
    return {error.pointer: error.detail for error in errors}
