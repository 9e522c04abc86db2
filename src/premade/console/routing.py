"""Pages and their routes: each is for signed-in members of the staff, and errors become pages."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from premade.console.addresses import HOME, go_to
from premade.console.auth import go_to_sign_in, require_right, signed_in_member
from premade.console.csrf import FORM_TOKEN, new_nonce, nonce_of, require_form_token, require_own_page
from premade.console.forms import read_form
from premade.console.language import reader_language
from premade.console.rendering import Reader, Templates
from premade.http.body import BodyRefused, header_values
from premade.http.gateway import PageRoute
from premade.http.problems import (
    TRANSPORT_STATUS_OF,
    add_retry_after,
    code_of_router,
    status_of_kind,
    transport_detail,
)
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError, Invalid
from premade.runtime.logging import log
from premade.runtime.metrics import REFUSALS
from premade.staff.role import Right
from premade.staff.session import Member, form_token
from premade.texts.problems import problem_texts
from premade.texts.translation import Text, reading_in, translate
from premade.texts.translation import gettext as _
from premade.values.texts import cleaned

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Service = TypeVar("Service")


@dataclass(frozen=True)
class StaffRequest:
    """A request for a page by a signed-in member of the staff."""

    http: Request
    templates: Templates
    section: str
    """Address of the section of the console that the page belongs to."""
    member: Member
    token: str
    form: dict[str, str]
    """Fields of the form; empty for GET."""

    @property
    def database(self) -> Database:
        """The database of the application."""
        return self.http.app.state.database

    @property
    def runtime(self) -> Runtime:
        """The clock, randomness and time zone of the application."""
        return self.http.app.state.runtime

    @property
    def request_id(self) -> str:
        """The id that the answer carries in X-Request-Id."""
        return self.http.scope["state"]["request_id"]

    def use(self, kind: type[Service]) -> Service:
        """Return the application's instance of a service class."""
        return self.http.app.state.services[kind]

    def query(self, name: str) -> str:
        """Return a query parameter, trimmed, or ""."""
        return cleaned(self.http.query_params.get(name, ""))

    def field(self, name: str, otherwise: str = "") -> str:
        """Return a field of the form, trimmed: for numbers, days and ids.

        Read names, reasons and passwords from `form`: they have rules of their own.
        """
        return cleaned(self.form.get(name, otherwise))

    def own_link_param(self, name: str) -> str:
        """Return a query parameter only if a page of the console led here: other sites must not be able to show notices."""
        return self.query(name) if header_values(self.http, "Sec-Fetch-Site") in ([], ["same-origin"]) else ""

    def path_param(self, name: str) -> str:
        """Return a path parameter."""
        return self.http.path_params[name]

    def page(self, template: str, values: "DataclassInstance", status: int = 200) -> Response:
        """Render a template for this member. `values` has a field for each of its names."""
        reader = Reader(self.member, self.section, form_token(self.token))
        return self.templates.page(template, values, status, reader)

    def new_nonce(self) -> str:
        """Return a nonce for a form: however often the form is sent, it has effect once."""
        return new_nonce(self.runtime)

    def nonce(self) -> str:
        """Return the nonce of the form.

        Raises:
            FormForeign: it has none.
        """
        return nonce_of(self.form)

    def require(self, right: Right) -> None:
        """Raise RoleMissing unless the member's role has the right."""
        require_right(self.member, right)


Handler = Callable[[StaffRequest], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """A page, or a form that another page shows, for members with the right (None: all members)."""

    path: str
    show: Handler | None = None
    """Answers GET. None, for a form on another page: GET redirects to the first page."""
    send: Handler | None = None
    """Answers POST."""
    right: Right | None = None


@dataclass(frozen=True)
class Section:
    """The pages of one subject. The menu links to `address`, for members with the right, if `is_in_menu`."""

    label: Text
    address: str
    right: Right | None
    pages: Sequence[Sequence[Page]]
    """By module."""
    is_in_menu: bool = True
    icon: str = ""
    """Of the link in the menu."""
    routes: Callable[[Templates], Sequence[BaseRoute]] | None = None
    """Further routes, which do not need a signed-in member or are no pages."""


def routes_of_page(templates: Templates, page: Page, section: str) -> list[PageRoute]:
    """Return the routes of one page."""
    show = page.show or _go_home

    async def get(http: Request) -> Response:
        request = await _admit(http, templates, section)
        if request is None:
            return go_to_sign_in(http)
        if page.right:
            request.require(page.right)
        return await show(request)

    async def post(http: Request) -> Response:
        assert page.send is not None
        # The body is read only for somebody who is signed in.
        require_own_page(http)
        request = await _admit(http, templates, section)
        if request is None:
            return go_to_sign_in(http)
        if page.right:
            request.require(page.right)
        form = await read_form(http)
        require_form_token(request.token, form.get(FORM_TOKEN, ""))
        return await page.send(replace(request, form=form))

    routes = [PageRoute(page.path, with_error_pages(templates, get))]
    if page.send is not None:
        routes.append(PageRoute(page.path, with_error_pages(templates, post), methods=("POST",)))
    return routes


async def _go_home(_request: StaffRequest) -> Response:
    return go_to(HOME)


async def _admit(http: Request, templates: Templates, section: str) -> StaffRequest | None:
    member, token = await signed_in_member(http)
    return None if member is None else StaffRequest(http, templates, section, member, token, {})


def with_error_pages(
    templates: Templates, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler: errors become pages, and its texts are in the reader's language."""

    async def endpoint(request: Request) -> Response:
        with reading_in(reader_language(request, templates.languages)):
            return await answer_or_error(request)

    async def answer_or_error(request: Request) -> Response:
        try:
            return await answer(request)
        except DomainError as error:
            REFUSALS.labels(error.code).inc()
            status = status_of_kind(type(error))
            response = await _error_page(
                request, templates, status, error.code, detail=error.detail, remedy=_remedy(error)
            )
            add_retry_after(response, error)
            return response
        except HTTPException as error:
            code = code_of_router(error)
            REFUSALS.labels(code).inc()
            return await _error_page(request, templates, error.status_code, code)
        except BodyRefused as error:
            REFUSALS.labels(error.code).inc()
            status = TRANSPORT_STATUS_OF[error.code]
            detail = transport_detail(error.code, error.values)
            response = await _error_page(request, templates, status, error.code, detail=detail)
            # The rest of the body is not read.
            response.headers["Connection"] = "close"
            return response
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  (the member gets a page, whatever failed)
            log.exception("console.failed")
            detail = translate(problem_texts()["INTERNAL"].cause)
            return await _error_page(request, templates, 500, "INTERNAL", detail=detail)

    return endpoint


def _remedy(error: DomainError) -> str:
    # The remedy of Invalid is about members of a JSON answer.
    if isinstance(error, Invalid):
        return _("Go back, fix the fields and try again.")
    return translate(error.text.remedy)


@dataclass(frozen=True)
class ErrorPage:
    """Values of the page of an error."""

    title: str
    detail: str
    remedy: str
    request_id: str


async def _error_page(
    request: Request, templates: Templates, status: int, code: str, *, detail: str = "", remedy: str = ""
) -> Response:
    member, token = None, ""
    # When the database is away, the page says so without the menu.
    with suppress(DomainError):
        member, token = await signed_in_member(request)
    title, request_id = translate(problem_texts()[code].title), request.scope["state"]["request_id"]
    reader = Reader(member, form_token=form_token(token) if member else "")
    return templates.page("layout/error.html", ErrorPage(title, detail, remedy, request_id), status, reader)
