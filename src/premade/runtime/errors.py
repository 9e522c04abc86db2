"""Errors of the domain. They do not know HTTP; `http/problems.py` maps them to status codes."""

from dataclasses import dataclass
from typing import Any, ClassVar


class DomainError(Exception):
    """An error with a stable code. A feature has one subclass for each of its errors.

    The docstring of the subclass says what happened and why; it is the text in the API document.
    """

    code: ClassVar[str] = ""
    """Stable identifier in upper case, for programs."""
    title: ClassVar[str] = ""
    """Short summary, the same for each occurrence."""
    remedy: ClassVar[str] = ""
    """What the caller can do."""

    def __init__(self, detail: str, **members: Any) -> None:
        """`detail`: what happened this time. `members`: additional members of the answer."""
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthenticated(DomainError):
    """The caller is not authenticated."""


class Forbidden(DomainError):
    """The caller is authenticated but lacks the permission."""


class Unacceptable(DomainError):
    """None of the accepted media types is available."""


class NotFound(DomainError):
    """The resource does not exist, or it belongs to another partner."""


class Conflict(DomainError):
    """The state of the resource does not allow the operation."""


class Exhausted(DomainError):
    """Not enough is left."""


class Mismatch(DomainError):
    """An Idempotency-Key was used for another request."""


class Unverifiable(DomainError):
    """The request is well-formed but cannot be verified."""


class TooMany(DomainError):
    """Too many attempts within a period. Nothing was changed."""

    def __init__(self, detail: str, retry_after_seconds: int, **members: Any) -> None:
        """`retry_after_seconds`: time until the next attempt is allowed."""
        super().__init__(detail, **members)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DomainError):
    """A temporary failure. Nothing was changed, or a retry with the same Idempotency-Key is safe."""

    retry_after_seconds: ClassVar[int] = 2


@dataclass(frozen=True)
class FieldError:
    """One wrong field.

    `pointer` is a JSON Pointer as in RFC 9457: `#/customer_details/phone` in the body, `query#/dry_run` or
    `header#/Idempotency-Key` elsewhere.
    """

    pointer: str
    detail: str


class Invalid(DomainError):
    """At least one field of the request is wrong. 'errors' lists all wrong fields. Nothing was changed."""

    code = "INVALID_REQUEST"
    title = "The request is not valid"
    remedy = "Fix each field in 'errors': 'pointer' names the field, 'detail' says what is allowed."

    def __init__(self, errors: list[FieldError]) -> None:
        fields = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{fields}{more}")
        self.errors = errors


class IdempotencyKeyReused(Mismatch):
    """The Idempotency-Key was already used for a different request. Nothing was changed."""

    code = "IDEMPOTENCY_KEY_REUSED"
    title = "The Idempotency-Key was used for another request"
    remedy = "Send a new key with a new request. For a retry, send the first request unchanged."


class DatabaseAway(Unavailable):
    """The service cannot reach its database, or lost the connection. The request was executed completely or
    not at all.
    """

    code = "DATABASE_AWAY"
    title = "The database does not respond"
    remedy = (
        "Try again after Retry-After seconds with the same Idempotency-Key, so that the request is not "
        "executed twice."
    )


class DatabaseRestored(DatabaseAway):
    """The database was restored, copied or promoted, and the service has not yet recorded it. Nothing was
    changed.
    """

    code = "DATABASE_RESTORED"
    title = "The database was restored a moment ago"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key."


class Busy(Unavailable):
    """Other requests have locked the same ticket, batch or stock, or all database connections are in use.
    Nothing was changed.
    """

    code = "BUSY"
    title = "The service is busy"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key."

    def __init__(self, detail: str, *, meets_all: bool = False) -> None:
        """`meets_all`: every request would fail now, not only those for the same row."""
        super().__init__(detail)
        self.meets_all = meets_all


class RuleBroken(Exception):
    """The database refused a change; `rule` is the name of the constraint."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
