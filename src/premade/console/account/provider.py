"""Sign-in by the identity provider: the way of the browser to the provider and back."""

import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from premade.console.account.second_factor import code_address
from premade.console.addresses import HOME, SIGN_IN, go_to, own_address
from premade.console.auth import (
    browser_token,
    delete_provider_cookie,
    provider_cookie,
    session_token,
    set_half_cookie,
    set_provider_cookie,
    set_session_cookies,
)
from premade.console.rendering import Templates
from premade.console.routing import with_error_pages
from premade.http.body import client_address, header_values
from premade.http.gateway import PageRoute
from premade.runtime.errors import DomainError
from premade.runtime.logging import log
from premade.staff.password import SignInsBusy
from premade.staff.provider_settings import ProviderAway, ProviderRefused, SignInSecrets
from premade.staff.provider_sign_in import ProviderSignIns
from premade.staff.session import HalfSignedIn, SignInRefused
from premade.staff.sign_in_attempt import TooManySignIns

BEGIN = f"{SIGN_IN}/provider"
CALLBACK = f"{BEGIN}/callback"
PARAMETER_CHARACTERS_MAX = 4_000
_SEPARATOR = "."
_DENIED = frozenset(
    {
        "access_denied",
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
    }
)
"""Errors that are about this sign-in, and not about the provider or its settings."""

RefusalPage = Callable[[Request, str, DomainError], Awaitable[Response]]
"""Shows the sign-in page with a refusal. The text is the page that follows the sign-in."""


@dataclass(frozen=True)
class _ContinuePage:
    next_page: str


def provider_of(request: Request) -> ProviderSignIns:
    """Return the sign-ins by the identity provider."""
    return request.app.state.services[ProviderSignIns]


def provider_name(request: Request) -> str | None:
    """Return the name of the identity provider for the button, or None if there is no provider."""
    settings = provider_of(request).settings
    return None if settings is None else settings.name


def provider_routes(templates: Templates, refuse: RefusalPage) -> list[PageRoute]:
    """Return the routes to the provider and back, which are for everybody."""

    async def begin(request: Request) -> Response:
        next_page = own_address(request.query_params.get("next", HOME))
        # Another site must not be able to start a sign-in.
        is_own = header_values(request, "Sec-Fetch-Site") in ([], ["same-origin"], ["none"])
        if provider_name(request) is None or not is_own:
            return go_to(SIGN_IN)
        try:
            address, token = await provider_of(request).begin(_callback_address(request))
        except ProviderAway as refusal:
            _log_failure(refusal)
            return await refuse(request, next_page, refusal)
        # A link leads here, not a form: the policy of the pages lets no form lead to another site.
        answer = go_to(address)
        set_provider_cookie(answer, request, f"{token}{_SEPARATOR}{_encoded(next_page)}")
        return answer

    async def callback(request: Request) -> Response:
        if provider_name(request) is None:
            return go_to(SIGN_IN)
        token, _, encoded = (provider_cookie(request) or "").partition(_SEPARATOR)
        next_page = own_address(_decoded(encoded))
        try:
            answer = await _complete(templates, request, token, next_page)
        except (ProviderAway, ProviderRefused, TooManySignIns, SignInRefused, SignInsBusy) as refusal:
            _log_failure(refusal)
            answer = await refuse(request, next_page, refusal)
        delete_provider_cookie(answer, request)
        return answer

    return [
        PageRoute(BEGIN, with_error_pages(templates, begin)),
        PageRoute(CALLBACK, with_error_pages(templates, callback)),
    ]


def _log_failure(refusal: DomainError) -> None:
    if isinstance(refusal, ProviderAway | ProviderRefused):
        log.warning("provider.sign_in_failed", reason=refusal.reason, why=refusal.why)


async def _complete(templates: Templates, request: Request, token: str, next_page: str) -> Response:
    signed_in = await provider_of(request).complete(
        _code(request, token),
        token,
        _callback_address(request),
        client_address(request),
        session_token(request) or None,
        browser_token(request),
    )
    # A page, and not a redirect: after a redirect from another site, browsers do not send our cookies.
    if isinstance(signed_in, HalfSignedIn):
        answer = templates.page("account/continue.html", _ContinuePage(code_address(next_page)))
        set_half_cookie(answer, request, signed_in.token)
        return answer
    answer = templates.page("account/continue.html", _ContinuePage(next_page))
    set_session_cookies(answer, request, signed_in)
    return answer


def _code(request: Request, token: str) -> str:
    """Return the code in the provider's response.

    Raises:
        ProviderRefused: the response is not one to a sign-in of this browser, or the provider refused it.
        ProviderAway: the provider failed.
    """
    sent = request.query_params
    if not token or not SignInSecrets(token).is_state(sent.get("state", "")):
        raise ProviderRefused("other_browser")
    settings = provider_of(request).settings
    # RFC 9207: a response of another provider.
    if settings is not None and sent.get("iss", settings.issuer) != settings.issuer:
        raise ProviderRefused("token")
    if error := sent.get("error"):
        if error in _DENIED:
            raise ProviderRefused("denied", error)
        raise ProviderAway("unusable", f"the provider answered the error {error[:100]}")
    code = sent.get("code", "")
    if not 0 < len(code) <= PARAMETER_CHARACTERS_MAX:
        raise ProviderRefused("token")
    return code


def _callback_address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{CALLBACK}"


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decoded(text: str) -> str:
    with suppress(ValueError):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    return HOME
