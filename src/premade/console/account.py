"""Signing in and out, and what somebody sees of their own account."""

from starlette.requests import Request
from starlette.responses import Response

from premade.console.door import (
    BROWSER_COOKIE,
    COOKIE,
    HOME,
    SIGN_IN,
    StaffRequest,
    by_field,
    forget,
    form_only,
    go_to,
    keep_signed_in,
    own_address,
    page,
    read_form,
    require_own_page,
    told_as_pages,
)
from premade.console.rendering import Templates
from premade.http.body import client_address
from premade.http.gateway import PageRoute
from premade.http.problems import status_of_kind, tell_when_to_retry
from premade.runtime.errors import Invalid
from premade.staff.password import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN, SignInsBusy
from premade.staff.session import Sessions, SignInRefused, TooManySignIns

ACCOUNT = f"{HOME}/account"


def pages(templates: Templates) -> list[PageRoute]:
    """The routes."""

    async def sign_in_page(request: Request) -> Response:
        wanted = own_address(request.query_params.get("next", HOME))
        token = request.cookies.get(COOKIE, "")
        if token and await _sessions(request).member_of(token):
            return go_to(wanted)
        return templates.page("sign_in.html", 200, member=None, wanted=wanted, name="", refusal=None)

    async def sign_in(request: Request) -> Response:
        require_own_page(request)
        form = await read_form(request)
        wanted, name = own_address(form.get("next", HOME)), form.get("name", "")
        try:
            signed_in = await _sessions(request).sign_in(
                name,
                form.get("password", ""),
                client_address(request),
                request.cookies.get(COOKIE),
                request.cookies.get(BROWSER_COOKIE),
            )
        except (SignInRefused, TooManySignIns, SignInsBusy) as refusal:
            status = status_of_kind(type(refusal))
            shown = {"member": None, "wanted": wanted, "name": name, "refusal": refusal}
            answer = templates.page("sign_in.html", status, **shown)
            tell_when_to_retry(answer, refusal)
            return answer
        answer = go_to(wanted)
        keep_signed_in(answer, request, signed_in)
        return answer

    return [
        PageRoute(SIGN_IN, told_as_pages(templates, sign_in_page)),
        PageRoute(SIGN_IN, told_as_pages(templates, sign_in), methods=("POST",)),
        *form_only(templates, f"{HOME}/sign-out", _sign_out),
        *form_only(templates, f"{HOME}/sign-out-everywhere", _sign_out_everywhere),
        *page(templates, ACCOUNT, _account, _change_password),
    ]


def _sessions(request: Request) -> Sessions:
    return request.app.state.services[Sessions]


async def _account(visit: StaffRequest) -> Response:
    return await _show(visit, 200, {})


async def _show(visit: StaffRequest, status: int, wrong: dict[str, str]) -> Response:
    return visit.page(
        "account.html",
        status,
        sessions=await visit.use(Sessions).count_of(visit.member),
        wrong=wrong,
        done="Your password is changed. Other browsers are signed out."
        if visit.own_link_param("done") == "password" and not wrong
        else None,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
        password_characters_max=PASSWORD_CHARACTERS_MAX,
    )


async def _change_password(visit: StaffRequest) -> Response:
    password, new = visit.form.get("password", ""), visit.form.get("new-password", "")
    address, browser = client_address(visit.request), visit.request.cookies.get(BROWSER_COOKIE)
    try:
        signed_in = await visit.use(Sessions).change_password(visit.member, password, new, address, browser)
    except Invalid as error:
        return await _show(visit, 400, by_field(error.errors))
    answer = go_to(f"{ACCOUNT}?done=password")
    keep_signed_in(answer, visit.request, signed_in)
    return answer


async def _sign_out(visit: StaffRequest) -> Response:
    return await _leave(visit, everywhere=False)


async def _sign_out_everywhere(visit: StaffRequest) -> Response:
    return await _leave(visit, everywhere=True)


async def _leave(visit: StaffRequest, *, everywhere: bool) -> Response:
    await visit.use(Sessions).sign_out(visit.member, visit.token, everywhere=everywhere)
    answer = go_to(SIGN_IN)
    forget(answer)
    return answer
