"""The ways in which a request can be refused. None of them knows HTTP; `problems` does."""

from dataclasses import dataclass
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a stable code. A feature makes one subclass for each of its refusals."""

    code: ClassVar[str] = ""
    """Stable, upper-case: what a program compares."""
    title: ClassVar[str] = ""
    """The same for each occurrence."""

    def __init__(self, detail: str, **members: Any) -> None:
        """`detail` says what happened to this one; `members` go into the answer beside it."""
        super().__init__(detail)
        self.detail = detail
        self.members = members


class Unauthenticated(DomainError):
    """Nobody known is asking."""


class Forbidden(DomainError):
    """The asker is known and may not."""


class NotFound(DomainError):
    """There is no such thing, or it is another partner's."""


class Conflict(DomainError):
    """The thing is not in a state that allows it."""


class Exhausted(DomainError):
    """There is not enough left."""


class Mismatch(DomainError):
    """An Idempotency-Key came again with another request."""


class Unavailable(DomainError):
    """It may work in a moment; nothing was changed, or a retry with the same Idempotency-Key is safe."""

    retry_after_seconds: ClassVar[int] = 2


@dataclass(frozen=True)
class FieldError:
    """One wrong field: `pointer` as in RFC 9457's example, `#/customer_details/phone` in the body,
    `query#/dry_run` or `header#/Idempotency-Key` elsewhere."""

    pointer: str
    detail: str


class Invalid(DomainError):
    """The request itself is wrong; lists every wrong field."""

    code = "INVALID_REQUEST"
    title = "The request is not valid"

    def __init__(self, errors: list[FieldError]) -> None:
        fields = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{fields}{more}")
        self.errors = errors


class IdempotencyKeyReused(Mismatch):
    """The same key, another request."""

    code = "IDEMPOTENCY_KEY_REUSED"
    title = "This Idempotency-Key came with another request"


class DatabaseAway(Unavailable):
    """The database did not answer."""

    code = "DATABASE_AWAY"
    title = "The database does not answer"


class Busy(Unavailable):
    """A lock was not to be had in time."""

    code = "BUSY"
    title = "Another request holds what this one needs"


class RuleBroken(Exception):  # noqa: N818  (it names what happened)
    """The database refused a change; `rule` is the name of the constraint."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
