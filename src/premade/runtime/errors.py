"""Errors of the domain. They do not know HTTP; `http/problems.py` maps them to status codes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from premade.texts.problems import ProblemText, problem_texts


class DomainError(Exception):
    """An error with a stable code. A feature has one subclass for each of its errors.

    `texts/problems.toml` has its title, cause and remedy, by the code.
    """

    code: ClassVar[str] = ""
    """Stable identifier in upper case, for programs."""

    def __init__(self, detail: str, **members: Any) -> None:
        """`detail`: what happened this time. `members`: additional members of the answer."""
        super().__init__(detail)
        self.detail = detail
        self.members = members

    @property
    def text(self) -> ProblemText:
        """Title, cause and remedy: the same for each occurrence."""
        return problem_texts()[self.code]


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
    """At least one field of the request is wrong."""

    code = "INVALID_REQUEST"

    def __init__(self, errors: list[FieldError]) -> None:
        fields = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{fields}{more}")
        self.errors = errors


class IdempotencyKeyReused(Mismatch):
    """The Idempotency-Key was already used for a different request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class DatabaseAway(Unavailable):
    """The service cannot reach its database, or lost the connection."""

    code = "DATABASE_AWAY"


class DatabaseRestored(DatabaseAway):
    """The database was restored, copied or promoted, and the service has not yet recorded it."""

    code = "DATABASE_RESTORED"


class Busy(Unavailable):
    """Other requests have locked the same ticket, batch or stock, or all database connections are in use."""

    code = "BUSY"

    def __init__(self, detail: str, *, meets_all: bool = False) -> None:
        """`meets_all`: every request would fail now, not only those for the same row."""
        super().__init__(detail)
        self.meets_all = meets_all


class RuleBroken(Exception):
    """The database refused a change; `rule` is the name of the constraint."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
