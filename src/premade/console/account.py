"""Signing in and out, and what somebody sees of their own account."""

from starlette.requests import Request
from starlette.responses import Response

from premade.base.edge import Page
from premade.base.problems import status_of_kind
from premade.console.door import (
    COOKIE,
    HOME,
    SIGN_IN,
    Visit,
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
from premade.console.paper import Paper
from premade.staff.session import Sessions, SignInRefused, TooManySignIns


def pages(paper: Paper) -> list[Page]:
    """The routes."""

    async def sign_in_page(request: Request) -> Response:
        wanted = own_address(request.query_params.get("next", HOME))
        token = request.cookies.get(COOKIE, "")
        if token and await _sessions(request).member_of(token):
            return go_to(wanted)
        return paper.page("sign_in.html", 200, member=None, wanted=wanted, name="", refusal=None)

    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        require_own_page(request)
        wanted, name = own_address(form.get("next", HOME)), form.get("name", "")
        address = request.client.host if request.client else ""
        try:
            token = await _sessions(request).sign_in(name, form.get("password", ""), address)
        except (SignInRefused, TooManySignIns) as refusal:
            status = status_of_kind(type(refusal))
            shown = {"member": None, "wanted": wanted, "name": name, "refusal": refusal}
            answer = paper.page("sign_in.html", status, **shown)
            if isinstance(refusal, TooManySignIns):
                answer.headers["Retry-After"] = str(refusal.retry_after_seconds)
            return answer
        answer = go_to(wanted)
        keep_signed_in(answer, request, token)
        return answer

    return [
        Page(SIGN_IN, told_as_pages(paper, sign_in_page)),
        Page(SIGN_IN, told_as_pages(paper, sign_in), methods=("POST",)),
        *form_only(paper, f"{HOME}/sign-out", _sign_out),
        *form_only(paper, f"{HOME}/sign-out-everywhere", _sign_out_everywhere),
        *page(paper, f"{HOME}/account", _account),
    ]


def _sessions(request: Request) -> Sessions:
    return request.app.state.services[Sessions]


async def _account(visit: Visit) -> Response:
    return visit.page("account.html", sessions=await visit.use(Sessions).count_of(visit.member))


async def _sign_out(visit: Visit) -> Response:
    return await _leave(visit, everywhere=False)


async def _sign_out_everywhere(visit: Visit) -> Response:
    return await _leave(visit, everywhere=True)


async def _leave(visit: Visit, *, everywhere: bool) -> Response:
    await visit.use(Sessions).sign_out(visit.member, visit.token, everywhere=everywhere)
    answer = go_to(SIGN_IN)
    forget(answer)
    return answer
