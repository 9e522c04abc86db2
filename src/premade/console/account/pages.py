"""Signing in and out, and the page of the member's own account."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from premade.console.account.provider import BEGIN, provider_name, provider_routes
from premade.console.account.second_factor import code_address, code_routes
from premade.console.addresses import HOME, SIGN_IN, go_to, own_address
from premade.console.auth import (
    browser_token,
    delete_session_cookie,
    session_token,
    set_half_cookie,
    set_session_cookies,
)
from premade.console.csrf import require_own_page
from premade.console.forms import Form, FormView, Input, as_sent, by_field, read_form
from premade.console.rendering import Templates
from premade.console.routing import Page, StaffRequest, with_error_pages
from premade.console.staff.forms import NewPassword
from premade.http.body import client_address
from premade.http.gateway import PageRoute
from premade.http.problems import add_retry_after, status_of_kind
from premade.runtime.errors import DomainError, Invalid
from premade.runtime.refusal_counter import count_refused_sign_in
from premade.staff.password import PASSWORD_CHARACTERS_MAX, SignInsBusy
from premade.staff.session import HalfSignedIn, Sessions, SignInRefused
from premade.staff.sign_in_attempt import TooManySignIns
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy

ACCOUNT = f"{HOME}/account"


class SignInForm(Form):
    """Name and password."""

    name: Annotated[
        str,
        Input(
            lazy("Name"),
            as_sent,
            required=True,
            maxlength=PASSWORD_CHARACTERS_MAX,
            autocomplete="username",
            autocapitalize="none",
            spellcheck=False,
        ),
    ]
    password: Annotated[
        str,
        Input(
            lazy("Password"),
            as_sent,
            kind="password",
            required=True,
            maxlength=PASSWORD_CHARACTERS_MAX,
            autocomplete="current-password",
        ),
    ]


class PasswordChangeForm(Form):
    """A new password for the member's own account."""

    password: Annotated[
        str,
        Input(
            lazy("Current password"),
            as_sent,
            kind="password",
            required=True,
            maxlength=PASSWORD_CHARACTERS_MAX,
            autocomplete="current-password",
        ),
    ]
    new_password: NewPassword = Field(alias="new-password")


@dataclass(frozen=True)
class _SignInPage:
    next_page: str
    form: FormView
    provider: str | None
    """Name of the identity provider, for the button."""
    provider_address: str
    refusal: DomainError | None = None


def sign_in_routes(templates: Templates) -> list[PageRoute]:
    """Return the routes of the sign-in page, which is for everybody."""

    async def sign_in_page(request: Request) -> Response:
        next_page = own_address(request.query_params.get("next", HOME))
        token = session_token(request)
        if token and await _sessions(request).find_member(token):
            return go_to(next_page)
        return show(request, next_page, SignInForm.view({}, focus="name"))

    def show(
        request: Request, next_page: str, form: FormView, refusal: DomainError | None = None
    ) -> Response:
        page = _SignInPage(
            next_page=next_page,
            form=form,
            provider=provider_name(request),
            provider_address=f"{BEGIN}?next={quote(next_page, safe='/')}",
            refusal=refusal,
        )
        if refusal is None:
            return templates.page("account/sign_in.html", page)
        count_refused_sign_in(refusal.code)
        answer = templates.page("account/sign_in.html", page, status_of_kind(type(refusal)))
        add_retry_after(answer, refusal)
        return answer

    async def refuse(request: Request, next_page: str, refusal: DomainError) -> Response:
        return show(request, next_page, SignInForm.view({}), refusal)

    async def sign_in(request: Request) -> Response:
        require_own_page(request)
        form = await read_form(request)
        next_page, name = own_address(form.get("next", HOME)), form.get("name", "")
        try:
            signed_in = await _sessions(request).sign_in(
                name,
                form.get("password", ""),
                client_address(request),
                session_token(request) or None,
                browser_token(request),
            )
        except (SignInRefused, TooManySignIns, SignInsBusy) as refusal:
            view = SignInForm.view({"name": name}, focus="password" if name else "name")
            return show(request, next_page, view, refusal)
        if isinstance(signed_in, HalfSignedIn):
            answer = go_to(code_address(next_page))
            set_half_cookie(answer, request, signed_in.token)
            return answer
        answer = go_to(next_page)
        set_session_cookies(answer, request, signed_in)
        return answer

    return [
        PageRoute(SIGN_IN, with_error_pages(templates, sign_in_page)),
        PageRoute(SIGN_IN, with_error_pages(templates, sign_in), methods=("POST",)),
        *code_routes(templates),
        *provider_routes(templates, refuse),
    ]


def _sessions(request: Request) -> Sessions:
    return request.app.state.services[Sessions]


async def _account(request: StaffRequest) -> Response:
    return await _show(request, 200, {})


@dataclass(frozen=True)
class _AccountPage:
    sessions: int
    form: FormView
    done: str | None


async def _show(request: StaffRequest, status: int, wrong: dict[str, str]) -> Response:
    return request.page(
        "account/account.html",
        _AccountPage(
            sessions=await request.use(Sessions).count_sessions(request.member),
            form=PasswordChangeForm.view({}, wrong),
            done=_("Your password is changed. Other browsers are signed out.")
            if request.own_link_param("done") == "password" and not wrong
            else None,
        ),
        status,
    )


async def _change_password(request: StaffRequest) -> Response:
    form = PasswordChangeForm.parse(request.form)
    address, browser = client_address(request.http), browser_token(request.http)
    try:
        signed_in = await request.use(Sessions).change_password(
            request.member, form.password, form.new_password, address, browser
        )
    except Invalid as error:
        return await _show(request, 400, by_field(error.errors))
    answer = go_to(f"{ACCOUNT}?done=password")
    set_session_cookies(answer, request.http, signed_in)
    return answer


async def _sign_out(request: StaffRequest) -> Response:
    return await _leave(request, everywhere=False)


async def _sign_out_everywhere(request: StaffRequest) -> Response:
    return await _leave(request, everywhere=True)


async def _leave(request: StaffRequest, *, everywhere: bool) -> Response:
    await request.use(Sessions).sign_out(request.member, request.token, everywhere=everywhere)
    answer = go_to(SIGN_IN)
    delete_session_cookie(answer, request.http)
    return answer


PAGES = [
    Page(f"{HOME}/sign-out", send=_sign_out),
    Page(f"{HOME}/sign-out-everywhere", send=_sign_out_everywhere),
    Page(ACCOUNT, _account, _change_password),
]
