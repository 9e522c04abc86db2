"""The ways in which a request can be refused. None of them knows HTTP; `problems` does."""

from dataclasses import dataclass
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a stable code. A feature makes one subclass for each of its refusals."""

    code: ClassVar[str] = ""
    """Stable, upper-case: what a program compares."""
    title: ClassVar[str] = ""
    """The same for each occurrence."""
    remedy: ClassVar[str] = ""
    """What whoever meets it can do. The docstring of the class says what happened and why."""

    def __init__(self, detail: str, **members: Any) -> None:
        """`detail` says what happened to this one; `members` go into the answer beside it."""
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthenticated(DomainError):
    """Nobody known is asking."""


class Forbidden(DomainError):
    """The asker is known and may not."""


class Unacceptable(DomainError):
    """There is such a thing, but in no form that the asker takes."""


class NotFound(DomainError):
    """There is no such thing, or it is another partner's."""


class Conflict(DomainError):
    """The thing is not in a state that allows it."""


class Exhausted(DomainError):
    """There is not enough left."""


class Mismatch(DomainError):
    """An Idempotency-Key came again with another request."""


class Unverifiable(DomainError):
    """What was sent has the right form, but it does not hold."""


class TooMany(DomainError):
    """It was tried too often within a span of time. Nothing was changed."""

    def __init__(self, detail: str, retry_after_seconds: int, **members: Any) -> None:
        """`retry_after_seconds`: when it may be tried again."""
        super().__init__(detail, **members)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(DomainError):
    """It may work in a moment; nothing was changed, or a retry with the same Idempotency-Key is safe."""

    retry_after_seconds: ClassVar[int] = 2


@dataclass(frozen=True)
class FieldError:
    """One wrong field: `pointer` as in RFC 9457's example, `#/customer_details/phone` in the body,
    `query#/dry_run` or `header#/Idempotency-Key` elsewhere.
    """

    pointer: str
    detail: str


class Invalid(DomainError):
    """Something in the request is wrong: 'errors' lists every wrong field, not only the first. Nothing was changed."""

    code = "INVALID_REQUEST"
    title = "The request is not valid"
    remedy = "Mend each field in 'errors': 'pointer' says where it stands, 'detail' what would be right."

    def __init__(self, errors: list[FieldError]) -> None:
        fields = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{fields}{more}")
        self.errors = errors


class IdempotencyKeyReused(Mismatch):
    """The Idempotency-Key made something before, with a request that differs from this one. Nothing was changed."""

    code = "IDEMPOTENCY_KEY_REUSED"
    title = "This Idempotency-Key came with another request"
    remedy = "Use a new key for a new request. For a retry, send exactly what was sent first."


class DatabaseAway(Unavailable):
    """The service could not reach its database, or lost it. What was asked for is done whole or not at all."""

    code = "DATABASE_AWAY"
    title = "The database does not answer"
    remedy = (
        "Try again after Retry-After seconds, with the same Idempotency-Key: then it cannot happen twice."
    )


class DatabaseRestored(DatabaseAway):
    """The database was restored, copied or promoted, and the service has not recorded it yet. Nothing was changed."""

    code = "DATABASE_RESTORED"
    title = "The database was restored a moment ago"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key."


class Busy(Unavailable):
    """Others held the same ticket, batch or stock, or all connections to the database, for too long. Nothing was changed."""

    code = "BUSY"
    title = "Another request holds what this one needs"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key."

    def __init__(self, detail: str, *, meets_all: bool = False) -> None:
        """`meets_all`: it is not about one thing, so whatever is asked for now meets the same."""
        super().__init__(detail)
        self.meets_all = meets_all


class RuleBroken(Exception):
    """The database refused a change; `rule` is the name of the constraint."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
