"""The outermost ASGI layer: request ids, the request log, headers of all answers, and answers to unexpected errors."""

import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.convertors import StringConvertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from premade.http.client_address import current_client_host
from premade.http.connection_limits import Clients
from premade.http.problems import Responses, code_of_router, transport_problem
from premade.http.request_head import too_many_connections
from premade.runtime.clock import Runtime
from premade.runtime.logging import current_request_id, log, masked
from premade.runtime.metrics import observe_request
from premade.texts.languages import accepted_language
from premade.texts.translation import ENGLISH, set_language

REQUEST_ID_BYTES = 16
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNKNOWN_ROUTE = "unknown"
Header = tuple[bytes, bytes]
NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
_NO_STORE: Header = (b"cache-control", b"private, no-store")
_HTTPS_ONLY: Header = (b"strict-transport-security", b"max-age=63072000")
"""A browser that has received this header uses only https for this host, for two years (RFC 6797)."""
_VARIED_BY = b"X-API-Key, Cookie, Accept-Language"
UNCACHED: tuple[Header, ...] = (_NO_STORE, NOSNIFF, (b"vary", _VARIED_BY))
"""Headers of every answer except those of public routes: no shared cache may give one client another's answer."""
_OURS = frozenset(name for name, _ in UNCACHED)
_OK = 200
_PERMANENT_REDIRECT = 308

Endpoint = Callable[[Request], Awaitable[Response]]


class PageRoute(Route):
    """A route that is not a JSON endpoint. The request log shows it like one."""

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        responses: Responses | None = None,
        *,
        methods: Collection[str] = ("GET",),
        is_public: bool = False,
    ) -> None:
        """`responses`: errors for the OpenAPI document. `is_public`: the answer is the same for everybody, so caches may
        store it if its status is 200.
        """
        super().__init__(path, endpoint, methods=list(methods))
        self.responses = responses or {}
        self.is_public = is_public

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Add the route to the scope, as FastAPI's routes do."""
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


class Gateway:
    """The ASGI application, with all of its middleware; it calls the router directly."""

    def __init__(
        self,
        app: Starlette,
        runtime: Runtime,
        clients: Clients | None = None,
        *,
        trusts_proxies: bool = True,
    ) -> None:
        """`trusts_proxies`: whether the server takes addresses of clients from X-Forwarded-For.

        Then `clients` limits the requests in progress from one address: the connections are those of the proxy.
        """
        self._app = app
        self._clients = clients or Clients()
        self._counts_requests = trusts_proxies
        self._runtime = runtime
        self._warns_of_proxy = not trusts_proxies
        self._endpoints = [
            # HEAD is answered wherever GET is (RFC 9110, 9.3.2); the server leaves out the body.
            (route.methods | {"HEAD"} if "GET" in route.methods else route.methods, route.path_regex, route)
            for route in app.routes
            if isinstance(route, Route) and route.methods and _has_only_texts(route)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection scope."""
        scope["app"] = self._app
        if scope["type"] != "http":
            await self._app.router(scope, receive, send)
            return
        request_id = self._request_id(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        started = self._runtime.monotonic_seconds()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = _headers(message["headers"], is_public=_is_public(scope, status))
                message["headers"] = [
                    *headers,
                    *scope["state"].get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
                if scope["scheme"] == "https":
                    message["headers"].append(_HTTPS_ONLY)
            await send(message)

        current_request_id.set(request_id)
        host = scope["client"][0] if scope.get("client") else ""
        current_client_host.set(host)
        try:
            await self._app_for(scope, host)(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("http.client_went_away", route=_template(scope))
        except HTTPException as error:
            self._name_all_methods(error, scope)
            answer = self._without_slash(scope) or _router_error(error, scope, request_id)
            await answer(scope, receive, send_with_id)
        except Exception:  # noqa: BLE001  (the client gets an answer after any failure)
            # Not the path: it can contain anything that a client sends.
            log.exception("http.failed", route=_template(scope))
            if not status:
                with suppress(OSError):
                    await _internal_error(scope, request_id)(scope, receive, send_with_id)
        finally:
            if self._counts_requests:
                self._clients.end_request(host)
        self._record(scope, status, self._runtime.monotonic_seconds() - started)

    def _app_for(self, scope: Scope, host: str) -> ASGIApp:
        """Return the endpoint of the path, or else the router, which answers 404 or 405.

        Finding the endpoint here takes a quarter of the time that the router needs. A client at its limit gets a refusal.
        """
        if self._counts_requests and not self._clients.begin_request(host):
            return _refusal(scope["state"]["request_id"])
        method, path = scope["method"], scope["path"]
        if path.endswith("\n"):
            # In a regular expression, also the router's, `$` matches before a newline at the end.
            raise HTTPException(404)
        for methods, pattern, route in self._endpoints:
            if method in methods and (match := pattern.match(path)):
                scope["path_params"], scope["route"] = match.groupdict(), route
                return route.app
        return self._app.router

    def _name_all_methods(self, error: HTTPException, scope: Scope) -> None:
        """List all methods of the path in Allow. Each method has its own route, and the router names only the first."""
        if error.headers and "Allow" in error.headers:
            allowed = set(error.headers["Allow"].split(", "))
            others = (methods for methods, _, route in self._endpoints if route.path == _template(scope))
            error.headers = {**error.headers, "Allow": ", ".join(sorted(allowed.union(*others)))}

    def _without_slash(self, scope: Scope) -> Response | None:
        """Return a redirect if the path without its final slash is a page."""
        path = scope["path"].rstrip("/")
        if path == scope["path"] or scope["method"] not in {"GET", "HEAD"}:
            return None
        if not any(isinstance(route, PageRoute) and regex.match(path) for _, regex, route in self._endpoints):
            return None
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(
            quote(path, errors="surrogatepass") + (f"?{query}" if query else ""), _PERMANENT_REDIRECT
        )

    def _warn_of_untrusted_proxy(self) -> None:
        self._warns_of_proxy = False
        log.warning(
            "http.proxy_not_trusted",
            remedy="Name the proxy in PREMADE_TRUSTED_PROXIES. Until then all its clients count as one address.",
        )

    def _request_id(self, scope: Scope) -> str:
        request_id = None
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for" and self._warns_of_proxy:
                self._warn_of_untrusted_proxy()
            elif name == b"accept-language":
                # The texts of problems. A client without the header gets English; pages have their own rule.
                set_language(accepted_language(value.decode("latin-1")) or ENGLISH)
            elif (
                name == b"x-request-id"
                and request_id is None
                and REQUEST_ID.fullmatch(sent_id := value.decode("latin-1"))
            ):
                # The id is logged and returned. A secret that a client put there by mistake must not be.
                request_id = sent_id if masked(sent_id) == sent_id else self._new_request_id()
        return request_id or self._new_request_id()

    def _new_request_id(self) -> str:
        return self._runtime.random_bytes(REQUEST_ID_BYTES).hex()

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        template, state = _template(scope), scope["state"]
        if status:  # otherwise the client disconnected before the answer
            observe_request(scope["method"], template, status, seconds)
        log.info(
            "http.request",
            method=scope["method"],
            route=template,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            partner_id=state.get("partner_id"),
            key_id=state.get("key_id"),
        )


def _refusal(request_id: str) -> Response:
    answer = too_many_connections(request_id)
    # The rest of the request is not read.
    answer.headers["Connection"] = "close"
    return answer


def _is_public(scope: Scope, status: int) -> bool:
    return status == _OK and getattr(scope.get("route"), "is_public", False)


def _headers(headers: Collection[Header], *, is_public: bool) -> list[Header]:
    """Return the headers of an answer, with those that every answer has."""
    if is_public:
        return [*(header for header in headers if header[0] != NOSNIFF[0]), NOSNIFF]
    names = {name for name, _ in headers}
    if names.isdisjoint(_OURS):
        return [*headers, *UNCACHED]
    vary = b", ".join([*(value for name, value in headers if name == b"vary"), _VARIED_BY])
    return [*(header for header in headers if header[0] not in _OURS), _NO_STORE, NOSNIFF, (b"vary", vary)]


def _template(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", _UNKNOWN_ROUTE)


def _has_only_texts(route: Route) -> bool:
    return all(type(convertor) is StringConvertor for convertor in route.param_convertors.values())


def printable_path(scope: Scope) -> str:
    """Return the path for an answer or the log: percent-encoded, without the query."""
    return quote(scope["path"], errors="surrogatepass")


def _router_error(error: HTTPException, scope: Scope, request_id: str) -> Response:
    """Return the answer to an unknown path or method."""
    answer = transport_problem(
        code_of_router(error),
        path=printable_path(scope),
        request_id=request_id,
        values={"allowed": (error.headers or {}).get("Allow", "")},
    )
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _internal_error(scope: Scope, request_id: str) -> Response:
    return transport_problem("INTERNAL", path=printable_path(scope), request_id=request_id)
