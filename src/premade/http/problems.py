"""Errors as answers: `application/problem+json` by RFC 9457, and the one table from errors to HTTP status codes."""

from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.runtime import errors
from premade.runtime.errors import DomainError
from premade.runtime.metrics import REFUSALS
from premade.texts.problems import problem_texts
from premade.texts.translation import current_language, translate

MEDIA_TYPE = "application/problem+json"
STATUS_OF: dict[type[DomainError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Unacceptable: 406,
    errors.Conflict: 409,
    errors.Exhausted: 409,
    errors.Mismatch: 422,
    errors.Unverifiable: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}


TRANSPORT_STATUS_OF = {
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "BODY_TOO_SLOW": 408,
    "BODY_TOO_LARGE": 413,
    "NOT_JSON": 415,
    "BODY_ENCODED": 415,
    "HEAD_TOO_LARGE": 431,
    "INTERNAL": 500,
    "TOO_MANY_CONNECTIONS": 503,
}
"""Transport errors, by code: errors that occur before a request reaches its endpoint."""
_OF_ROUTER = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
Responses = dict[int | str, dict[str, Any]]
"""The responses of a route by status, in the JSON of OpenAPI, as FastAPI takes them."""


class ProblemField(BaseModel):
    """Wrong field of a request."""

    pointer: str = Field(examples=["#/customer_details/phone"])
    detail: str = Field(examples=["Required"])


class Problem(BaseModel):
    """Error by RFC 9457. Some codes have additional members."""

    type: str = Field(description="Page that explains the code", examples=["/problems/INVALID_REQUEST"])
    title: str
    status: int
    detail: str = Field(description="What happened with this request")
    instance: str = Field(description="Path of the request")
    code: str = Field(
        description="Stable identifier of the error, for programs", examples=["INVALID_REQUEST"]
    )
    request_id: str
    errors: list[ProblemField] = Field(
        default=[], description="All wrong fields, if the code is INVALID_REQUEST"
    )


def status_of_kind(kind: type[DomainError]) -> int:
    """Return the HTTP status of a class of errors: that of its nearest base class in STATUS_OF."""
    return next(STATUS_OF[above] for above in kind.__mro__ if above in STATUS_OF)


def documented(*kinds: type[DomainError]) -> Responses:
    """Return the `responses` of a route for these errors."""
    by_status: Responses = {}
    for kind in kinds:
        _add_problem(by_status, status_of_kind(kind), kind.code)
    return by_status


def documented_transport(*codes: str) -> Responses:
    """Return the `responses` of a route for the transport errors with these codes."""
    by_status: Responses = {}
    for code in codes:
        _add_problem(by_status, TRANSPORT_STATUS_OF[code], code)
    return by_status


def merge_responses(*parts: Responses) -> Responses:
    """Merge several `responses`. Descriptions and examples of the same status are combined."""
    merged: Responses = {}
    for responses in parts:
        for status, answer in responses.items():
            if "content" not in answer or "content" not in merged.get(status, {}):
                merged[status] = merged.get(status, {}) | deepcopy(answer)
                continue
            both = merged[status]
            both["description"] = f"{both['description']}\n\n{answer['description']}".strip()
            both["content"][MEDIA_TYPE]["examples"] |= answer["content"][MEDIA_TYPE]["examples"]
    return merged


def _add_problem(by_status: Responses, status: int, code: str) -> None:
    text = problem_texts()[code]
    answer = by_status.setdefault(
        status,
        {
            "description": "",
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {},
                }
            },
        },
    )
    answer["description"] = f"{answer['description']}\n\n`{code}`: {text.cause}".strip()
    answer["content"][MEDIA_TYPE]["examples"][code] = {
        "summary": text.title,
        "value": _body(status, code, text.cause, path="/api/ota/…", request_id="…"),
    }


def problem(status: int, code: str, detail: str, *, path: str, request_id: str, **members: Any) -> Response:
    """Return a problem+json answer, and count it in the metric of refusals."""
    REFUSALS.labels(code).inc()
    body = _body(status, code, detail, path=path, request_id=request_id, **members)
    return Response(
        orjson.dumps(body),
        status,
        media_type=MEDIA_TYPE,
        headers={"Content-Language": current_language().tag},
    )


def _body(
    status: int, code: str, detail: str, *, path: str, request_id: str, **members: Any
) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": translate(problem_texts()[code].title),
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        "request_id": request_id,
        **members,
    }


def problem_of(error: DomainError, *, path: str, request_id: str) -> Response:
    """Return the answer to a domain error."""
    members = dict(error.members)
    if isinstance(error, errors.Invalid):
        members["errors"] = [{"pointer": wrong.pointer, "detail": wrong.detail} for wrong in error.errors]
    answer = problem(
        status_of_kind(type(error)),
        error.code,
        error.detail,
        path=path,
        request_id=request_id,
        **members,
    )
    if isinstance(error, errors.Unauthenticated):
        answer.headers["WWW-Authenticate"] = 'ApiKey realm="premade", header="X-API-Key"'
    add_retry_after(answer, error)
    return answer


def add_retry_after(answer: Response, error: DomainError) -> None:
    """Add Retry-After, in seconds, if the error says when a retry may work."""
    if isinstance(error, errors.Unavailable | errors.TooMany):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)


def transport_detail(code: str, values: Mapping[str, object]) -> str:
    """Return what happened this time, for a transport error."""
    return translate(problem_texts()[code].detail_of("")).format_map(values)


def transport_problem(
    code: str, *, path: str, request_id: str, values: Mapping[str, object] = MappingProxyType({})
) -> Response:
    """Return the answer to a transport error. `values`: those in its detail."""
    detail = transport_detail(code, values)
    answer = problem(TRANSPORT_STATUS_OF[code], code, detail, path=path, request_id=request_id)
    if code == "BODY_ENCODED":
        # RFC 9110, 15.5.16.
        answer.headers["Accept-Encoding"] = "identity"
    return answer


def code_of_router(error: HTTPException) -> str:
    """Return the code for an error of Starlette's router: unknown path, or method not allowed."""
    return _OF_ROUTER[error.status_code]
