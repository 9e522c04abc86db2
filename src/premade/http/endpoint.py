"""JSON endpoints: a custom `APIRoute` (FastAPI's extension point) that reads the request and writes the answer.

Endpoints declare their parameters as usual in FastAPI, which generates the OpenAPI document from them. At run time this
module replaces FastAPI's request handling: authenticate, read the body, validate all values in one pass, call the
endpoint. Errors come in this order: 401, 403, 413, 415, 400, then the errors of the endpoint itself.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from fastapi import params
from fastapi.routing import APIRoute, APIRouter
from fastapi.security import SecurityScopes
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from premade.http.body import BODY_PROBLEMS, BodyRefused, client_address, header_values, receive_json
from premade.http.fields import RequestModel
from premade.http.gateway import printable_path
from premade.http.json_body import read_json, step
from premade.http.problems import (
    Responses,
    documented,
    documented_transport,
    merge_responses,
    problem_of,
    transport_problem,
)
from premade.http.protocol import LINGER_BYTES_MAX, LINGER_SECONDS_MAX
from premade.http.streaming import Stream, begin_answer
from premade.runtime.errors import Busy, DatabaseAway, DomainError, FieldError, Invalid
from premade.runtime.refusal_counter import note_refusal
from premade.runtime.slots import RoundRobin
from premade.texts.fields import field_text
from premade.values.validation_messages import in_words

READ_AT_ONCE_BYTES_MAX = 64 * 1024
"""Larger bodies are parsed in a thread. A body that is crafted to be slow takes a second, and would block the event loop."""
LARGE_BODIES_AT_ONCE_MAX = 2
"""Large bodies that a process parses at once; at most one of each partner, so that one partner cannot block the others."""
LARGE_BODIES_WAITING_MAX = 32
"""Large bodies that may wait in a process; each takes up to BODY_BYTES_MAX of memory. Half of them can be of one partner."""
_LARGE_BODIES = ThreadPoolExecutor(LARGE_BODIES_AT_ONCE_MAX, "large-body")

ExcuseTraps = Callable[[Any, list[FieldError]], list[FieldError]]
Admit = Callable[[Request, SecurityScopes], Awaitable[Any]]


@dataclass(frozen=True)
class Reply:
    """An answer with a status or headers of its own. A body of bytes, such as a picture, needs a `media_type`."""

    body: BaseModel | bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    status: int | None = None
    media_type: str = "application/json"
    replayed: bool = False
    """Whether it repeats the answer to an earlier, equal request. The header `Idempotency-Replayed` says so."""


@dataclass(frozen=True)
class _Parameter:
    """A value from the path, the query or a header."""

    name: str
    alias: str
    place: str
    required: bool
    default: Any
    check: Callable[[str], Any]

    def values(self, request: Request) -> list[str]:
        if self.place == "path":
            return [request.scope["path_params"][self.alias]]
        if self.place == "header":
            return header_values(request, self.alias)
        return request.query_params.getlist(self.alias) if request.scope["query_string"] else []

    def read(self, request: Request) -> Any:
        """Return the validated value, or the default if it is absent.

        Raises:
            ValueError: it is missing, repeated or wrong. ValidationError is a ValueError.
        """
        values = self.values(request)
        if not values:
            if self.required:
                raise ValueError(field_text("general.required"))
            return self.default
        if len(values) > 1:
            raise ValueError(field_text("general.repeated"))
        return self.check(values[0])


class _Signature:
    """The parameters of an endpoint, read once from its annotations."""

    def __init__(self, endpoint: Callable[..., Any]) -> None:
        self.admit: dict[str, tuple[Admit, SecurityScopes]] = {}
        self.parameters: list[_Parameter] = []
        self.body_name: str | None = None
        self.body: TypeAdapter[Any] | None = None
        self.excuse_traps = RequestModel.excuse_traps
        for parameter in inspect.signature(endpoint, eval_str=True).parameters.values():
            self._take(parameter)
        self.query_names = {each.alias for each in self.parameters if each.place == "query"}

    def _take(self, parameter: inspect.Parameter) -> None:
        annotation = parameter.annotation
        marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
        for mark in marks:
            if isinstance(mark, params.Security):
                self.admit[parameter.name] = (mark.dependency, SecurityScopes(list(mark.scopes or [])))  # pyright: ignore[reportArgumentType]
                return
            if isinstance(mark, params.Path | params.Query | params.Header):
                self.parameters.append(_parameter(parameter, mark))
                return
        if not (inspect.isclass(annotation) and issubclass(annotation, BaseModel)):
            message = f"{parameter.name}: an endpoint takes Security, Path, Query, Header or a model"
            raise TypeError(message)
        self.body_name, self.body = parameter.name, TypeAdapter(annotation)
        if issubclass(annotation, RequestModel):
            self.excuse_traps = annotation.excuse_traps

    def read(self, request: Request, raw: bytes | None) -> dict[str, Any]:
        """Return all values by name.

        Raises:
            Invalid: at least one value is wrong; it lists all of them.
        """
        values: dict[str, Any] = {}
        errors: list[FieldError] = []
        for parameter in self.parameters:
            try:
                values[parameter.name] = parameter.read(request)
            except ValidationError as error:
                errors += field_errors(error, f"{parameter.place}#/{parameter.alias}")
            except ValueError as error:
                errors.append(FieldError(f"{parameter.place}#/{parameter.alias}", str(error)))
        if request.scope["query_string"]:
            for unknown in sorted(set(request.query_params) - self.query_names):
                errors.append(FieldError(step("query#", unknown), self._known_parameters()))
        if self.body is not None and self.body_name is not None:
            try:
                values[self.body_name] = _read_body(self.body, self.excuse_traps, raw or b"")
            except Invalid as error:
                errors += error.errors
        if errors:
            raise Invalid(errors)
        return values

    def _known_parameters(self) -> str:
        names = ", ".join(sorted(self.query_names)) or "none"
        return field_text("general.unknown_parameter", known=names)


def _parameter(parameter: inspect.Parameter, mark: params.Param) -> _Parameter:
    required = parameter.default is inspect.Parameter.empty
    return _Parameter(
        name=parameter.name,
        alias=mark.alias or parameter.name,
        place=type(mark).__name__.lower(),
        required=required,
        default=None if required else parameter.default,
        # Call the validator directly: the method of TypeAdapter around it costs as much as most checks.
        check=TypeAdapter(parameter.annotation).validator.validate_python,
    )


def _read_body(adapter: TypeAdapter[Any], excuse_traps: ExcuseTraps, raw: bytes) -> Any:
    value, traps = read_json(raw)
    traps = excuse_traps(value, traps)
    try:
        model = adapter.validate_python(value, strict=True)
    except ValidationError as error:
        trapped = {trap.pointer for trap in traps}
        errors = [wrong for wrong in field_errors(error, "#") if wrong.pointer not in trapped]
        raise Invalid([*traps, *errors]) from None
    if traps:
        raise Invalid(traps)
    return model


def field_errors(error: ValidationError, start: str) -> Iterator[FieldError]:
    """Yield pydantic's errors with the product's messages, each with its JSON Pointer from `start`."""
    for detail in error.errors(include_url=False, include_input=False):
        pointer = start
        for name in detail["loc"]:
            pointer = step(pointer, name)
        yield FieldError(pointer, in_words(detail))


class Endpoint(APIRoute):
    """A JSON endpoint of this service."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        responses: Responses | None = None,
        **more: Any,
    ) -> None:
        """Add the errors that every endpoint can return to `responses`."""
        always = documented(Invalid, DatabaseAway, Busy)
        with_body = documented_transport(*BODY_PROBLEMS) if _Signature(endpoint).body else {}
        super().__init__(
            path,
            endpoint,
            responses=merge_responses(responses or {}, always, with_body, documented_transport("INTERNAL")),
            **more,
        )
        self.app = self._without_wrappers()

    def _without_wrappers(self) -> ASGIApp:
        """Return the ASGI app without FastAPI's wrappers for dependencies and background tasks, which are not used."""
        handle = self.get_route_handler()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            answer = await handle(Request(scope, receive, send))
            if scope["state"].get("ends_connection"):
                await _answer_and_linger(answer, receive, send)
            else:
                await answer(scope, receive, send)

        return app

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler. FastAPI calls this once for each route."""
        signature = _Signature(self.endpoint)
        status_by_default = self.status_code or 200
        large_bodies = _turns_of_large_bodies()

        async def handle(request: Request) -> Response:
            try:
                values = {
                    name: await admit(request, scopes) for name, (admit, scopes) in signature.admit.items()
                }
                raw = await receive_json(request) if signature.body else None
                if raw is not None and len(raw) > READ_AT_ONCE_BYTES_MAX:
                    # The thread has the reader's language, too.
                    context = copy_context()
                    async with large_bodies.turn(_owner(request)):
                        loop = asyncio.get_running_loop()
                        values |= await loop.run_in_executor(
                            _LARGE_BODIES, lambda: context.run(signature.read, request, raw)
                        )
                else:
                    values |= signature.read(request, raw)
                result = await self.endpoint(**values)
                if isinstance(result, Stream):
                    return await begin_answer(result)
            except DomainError as error:
                _count(request, error.code)
                return problem_of(error, **_problem_context(request))
            except BodyRefused as error:
                _count(request, error.code)
                answer = transport_problem(error.code, **_problem_context(request), values=error.values)
                # The rest of the body is not read; the connection cannot carry another request.
                answer.headers["Connection"] = "close"
                request.scope["state"]["ends_connection"] = True
                return answer
            return _respond(result, status_by_default)

        return handle


@cache
def _turns_of_large_bodies() -> RoundRobin:
    """Return the limiter of large bodies of this process."""
    return RoundRobin(LARGE_BODIES_AT_ONCE_MAX, LARGE_BODIES_WAITING_MAX, lambda: Busy("large_bodies"))


def _owner(request: Request) -> Hashable:
    """Return who takes the turn: a partner, a key of the operator, or without a key the client's address."""
    state = request.scope["state"]
    return state.get("partner_id") or ("key", state.get("key_id") or client_address(request))


def _count(request: Request, code: str) -> None:
    """Count a refusal for the daily statistics. The partner is known only after authentication."""
    note_refusal(request.scope["state"].get("partner_id"), code)


def _problem_context(request: Request) -> dict[str, str]:
    """Return the arguments `path` and `request_id` of a problem."""
    return {
        "path": printable_path(request.scope),
        "request_id": request.scope["state"]["request_id"],
    }


async def _answer_and_linger(answer: Response, receive: Receive, send: Send) -> None:
    """Send the answer while the client still sends its body, then read and discard more of the body.

    Closing at once would reset the connection (RFC 9112, 9.6), and many clients would lose the answer.
    """
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    left = LINGER_BYTES_MAX
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS_MAX):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b""})


class _Answer(Response):
    """A response that builds its raw headers itself, three times as fast as Starlette's."""

    def __init__(self, reply: Reply, status: int) -> None:
        self.status_code = reply.status or status
        self.background = None
        body = reply.body
        self.body = body if isinstance(body, bytes) else body.__pydantic_serializer__.to_json(body)
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", reply.media_type.encode()),
            *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
            *([(b"idempotency-replayed", b"true")] if reply.replayed else []),
        ]


def _respond(result: Any, status: int) -> Response:
    reply = result if isinstance(result, Reply) else Reply(result)
    return _Answer(reply, status)


def json_router(tag: str, *always: type[DomainError]) -> APIRouter:
    """Return a router of `Endpoint`s. `always`: errors that each of them can return."""
    return APIRouter(
        route_class=Endpoint,
        tags=[tag],
        responses=documented(*always),
        generate_unique_id_function=lambda route: route.name,
    )
