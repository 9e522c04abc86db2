"""The rules for the head of a request, and how a connection refuses one before the application sees it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from starlette.responses import Response

from premade.http.problems import problem_of, transport_problem
from premade.runtime.errors import FieldError, Invalid, Unavailable
from premade.texts.fields import field_text

HEAD_BYTES_MAX = 64 * 1024
"""Limit for the path, the query and the headers together, and again for the trailers after a body."""
SINGLE_HEADERS = {
    name.lower().encode(): name
    for name in (
        "Authorization",
        "Content-Type",
        "Cookie",
        "Host",
        "Origin",
        "Sec-Fetch-Site",
        "Transfer-Encoding",
        "X-API-Key",
        "X-Form-Token",
    )
}
"""Headers that a request may have once. A second one is refused, because proxies disagree on which one counts.

The endpoint checks Idempotency-Key, together with all other fields. The parser refuses a second Content-Length, and
Content-Length together with Transfer-Encoding.
"""
# RFC 3986, 3.2.2 and 3.2.3: a name or an address, and a port.
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


class HeadTooLarge(Exception):
    """The head of a request has more than HEAD_BYTES_MAX."""


class HeadInvalid(Exception):
    """The head of a request can be read, but breaks a rule of HTTP."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__()
        self.errors = errors


def _too_large(request_id: str) -> Response:
    return transport_problem(
        "HEAD_TOO_LARGE", path="", request_id=request_id, values={"bytes_max": HEAD_BYTES_MAX}
    )


def _invalid(errors: list[FieldError], request_id: str) -> Response:
    return problem_of(Invalid(errors), path="", request_id=request_id)


def too_many_connections(request_id: str) -> Response:
    """Return the answer to a connection over the limit."""
    answer = transport_problem("TOO_MANY_CONNECTIONS", path="", request_id=request_id)
    answer.headers["Retry-After"] = str(Unavailable.retry_after_seconds)
    return answer


Refusal = Callable[[str], Response]
"""Returns the answer for a request id."""


def refusal_of(error: BaseException | None) -> Refusal:
    """Return the refusal for an error in a head; None is an error of the parser."""
    if isinstance(error, HeadTooLarge):
        return _too_large
    errors = (
        error.errors if isinstance(error, HeadInvalid) else [FieldError("#", field_text("http.not_http"))]
    )
    return partial(_invalid, errors)


def _repeated(names: Iterator[bytes]) -> Iterator[FieldError]:
    for name, count in Counter(names).items():
        if count > 1 and name in SINGLE_HEADERS:
            yield FieldError(f"header#/{SINGLE_HEADERS[name]}", field_text("general.repeated"))


def check_head(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Raise HeadInvalid with every error in the head."""
    by_name = dict(headers)
    errors: list[FieldError] = []
    if len(by_name) < len(headers):
        errors += _repeated(name for name, _ in headers)
    host, coding = by_name.get(b"host"), by_name.get(b"transfer-encoding")
    if version == "1.1":
        if host is None:
            errors.append(FieldError("header#/Host", field_text("http.host_required")))
    elif version != "1.0":
        errors.append(FieldError("#", field_text("http.version", version=version)))
    # Fast path for a plain name.
    if host is not None and not (host.isalnum() or _HOST.fullmatch(host)):
        errors.append(FieldError("header#/Host", field_text("http.host")))
    if coding is not None and (version != "1.1" or coding.lower() != b"chunked"):
        errors.append(FieldError("header#/Transfer-Encoding", field_text("http.transfer_encoding")))
    if errors:
        raise HeadInvalid(errors)
