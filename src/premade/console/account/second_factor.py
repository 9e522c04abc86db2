"""The second factor: the code at sign-in, and setting the authenticator app up or removing it."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from premade.console.account.qr import qr_of_address
from premade.console.addresses import HOME, SIGN_IN, go_to, own_address
from premade.console.auth import (
    browser_token,
    delete_half_cookie,
    half_token,
    session_token,
    set_session_cookies,
)
from premade.console.csrf import require_own_page
from premade.console.forms import Form, FormView, Input, as_sent, by_field, read_form
from premade.console.rendering import Templates
from premade.console.routing import Page, StaffRequest, with_error_pages
from premade.http.gateway import PageRoute
from premade.http.problems import add_retry_after, status_of_kind
from premade.runtime.errors import DomainError, Invalid
from premade.runtime.refusal_counter import count_refused_sign_in
from premade.staff.second_factor import (
    Enrolment,
    enrolment_of,
    remove_own,
    second_factor_of,
    set_up_own,
)
from premade.staff.second_factor_sql import SecondFactorRow
from premade.staff.session import Sessions, SignInRefused
from premade.staff.sign_in_attempt import TooManySignIns
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy

CODE = f"{SIGN_IN}/code"
SECOND_FACTOR = f"{HOME}/account/second-factor"
_CODE_CHARACTERS_MAX = 30


class CodeForm(Form):
    """A code of the authenticator app, or a recovery code."""

    code: Annotated[
        str,
        Input(
            lazy("Code"),
            as_sent,
            required=True,
            maxlength=_CODE_CHARACTERS_MAX,
            autocomplete="one-time-code",
            autocapitalize="characters",
            spellcheck=False,
        ),
    ]


@dataclass(frozen=True)
class _AppToSetUp:
    """What the authenticator app needs."""

    qr: Markup
    secret: str


def _app(enrolment: Enrolment) -> _AppToSetUp:
    return _AppToSetUp(
        qr_of_address(enrolment.address, _("QR code for the authenticator app")), enrolment.secret
    )


@dataclass(frozen=True)
class _CodePage:
    form: FormView
    next_page: str
    app: _AppToSetUp | None
    refusal: DomainError | None = None


@dataclass(frozen=True)
class _RecoveryCodesPage:
    codes: tuple[str, ...]
    next_page: str


def code_address(next_page: str) -> str:
    """Return the address of the page that asks for the code, and then leads to another page."""
    return f"{CODE}?next={quote(next_page, safe='/')}"


def code_routes(templates: Templates) -> list[PageRoute]:
    """Return the routes of the page that asks for the code, for members who are half signed in."""

    async def ask(request: Request) -> Response:
        next_page = own_address(request.query_params.get("next", HOME))
        return await _ask(request, next_page, CodeForm.view({}, focus="code"))

    async def _ask(
        request: Request, next_page: str, form: FormView, refusal: DomainError | None = None
    ) -> Response:
        sessions = _sessions(request)
        token = half_token(request)
        half = await sessions.find_half(token) if token else None
        if half is None:
            return go_to(SIGN_IN)
        app = None
        if not half.has_second_factor:
            app = _app(enrolment_of(sessions.runtime, half.staff_id, half.name, token or ""))
        status = 400 if form.wrong else status_of_kind(type(refusal)) if refusal else 200
        answer = templates.page("account/code.html", _CodePage(form, next_page, app, refusal), status)
        if refusal:
            add_retry_after(answer, refusal)
        return answer

    async def send(request: Request) -> Response:
        require_own_page(request)
        form = await read_form(request)
        next_page = own_address(form.get("next", HOME))
        try:
            signed_in = await _sessions(request).complete(
                half_token(request) or "",
                form.get("code", ""),
                session_token(request) or None,
                browser_token(request),
            )
        except SignInRefused:
            return go_to(SIGN_IN)
        except Invalid as error:
            count_refused_sign_in(SignInRefused.code)
            view = CodeForm.view({}, by_field(error.errors), focus="code")
            return await _ask(request, next_page, view)
        except TooManySignIns as refusal:
            count_refused_sign_in(refusal.code)
            return await _ask(request, next_page, CodeForm.view({}), refusal)
        answer = (
            templates.page(
                "account/recovery_codes.html", _RecoveryCodesPage(signed_in.recovery_codes, next_page)
            )
            if signed_in.recovery_codes
            else go_to(next_page)
        )
        set_session_cookies(answer, request, signed_in)
        delete_half_cookie(answer, request)
        return answer

    return [
        PageRoute(CODE, with_error_pages(templates, ask)),
        PageRoute(CODE, with_error_pages(templates, send), methods=("POST",)),
    ]


def _sessions(request: Request) -> Sessions:
    return request.app.state.services[Sessions]


@dataclass(frozen=True)
class _SecondFactorPage:
    form: FormView
    second_factor: SecondFactorRow | None
    app: _AppToSetUp | None
    is_required: bool


async def _show(request: StaffRequest) -> Response:
    return await _page(request, CodeForm.view({}))


async def _page(request: StaffRequest, form: FormView) -> Response:
    member = request.member
    second_factor = await second_factor_of(request.database, member.staff_id)
    app = None
    if second_factor is None:
        app = _app(enrolment_of(request.runtime, member.staff_id, member.name, request.token))
    return request.page(
        "account/second_factor.html",
        _SecondFactorPage(
            form=form,
            second_factor=second_factor,
            app=app,
            is_required=_is_required(request),
        ),
        400 if form.wrong else 200,
    )


def _is_required(request: StaffRequest) -> bool:
    return request.member.role in request.use(Sessions).roles_with_second_factor


async def _change(request: StaffRequest) -> Response:
    """Set the app up, or remove it, with a code of the app."""
    member, code = request.member, request.form.get("code", "")
    try:
        if await second_factor_of(request.database, member.staff_id) is None:
            codes = await set_up_own(
                request.database, request.runtime, member.staff_id, request.token, code, member.actor
            )
            return request.page(
                "account/recovery_codes.html", _RecoveryCodesPage(tuple(codes), SECOND_FACTOR)
            )
        if not _is_required(request):
            await remove_own(request.database, request.runtime, member.staff_id, code, member.actor)
    except Invalid as error:
        return await _page(request, CodeForm.view({}, by_field(error.errors), focus="code"))
    return go_to(SECOND_FACTOR)


PAGES = [Page(SECOND_FACTOR, _show, _change)]
