"""Refusals as answers: RFC 9457 `application/problem+json`. The one table from errors to HTTP."""

from typing import Any

import orjson
from starlette.responses import Response

from premade.base import errors
from premade.base.errors import DomainError

STATUS_OF: dict[type[DomainError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Exhausted: 409,
    errors.Mismatch: 422,
    errors.Unavailable: 503,
}

TRANSPORT_TITLES = {
    404: ("NOT_FOUND", "There is nothing at this address"),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method"),
    408: ("BODY_TOO_SLOW", "The body did not arrive in time"),
    413: ("BODY_TOO_LARGE", "The body is too large"),
    415: ("NOT_JSON", "The body is not declared as JSON"),
    500: ("INTERNAL", "The service made a mistake"),
}


def status_of(error: DomainError) -> int:
    """The HTTP status of a refusal, by its nearest listed class."""
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def problem(
    status: int, code: str, title: str, detail: str, *, path: str, request_id: str, **members: Any
) -> Response:
    """One problem+json answer."""
    body = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        "request_id": request_id,
        **members,
    }
    return Response(orjson.dumps(body), status, media_type="application/problem+json")


def problem_of(error: DomainError, *, path: str, request_id: str) -> Response:
    """The answer to a refusal of the domain."""
    members = dict(error.members)
    if isinstance(error, errors.Invalid):
        members["errors"] = [{"pointer": wrong.pointer, "detail": wrong.detail} for wrong in error.errors]
    answer = problem(
        status_of(error), error.code, error.title, error.detail, path=path, request_id=request_id, **members
    )
    if isinstance(error, errors.Unauthenticated):
        answer.headers["WWW-Authenticate"] = 'ApiKey realm="premade", header="X-API-Key"'
    if isinstance(error, errors.Unavailable):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def transport_problem(status: int, detail: str, *, path: str, request_id: str) -> Response:
    """The answer to what fails before the domain is reached."""
    code, title = TRANSPORT_TITLES[status]
    return problem(status, code, title, detail, path=path, request_id=request_id)
