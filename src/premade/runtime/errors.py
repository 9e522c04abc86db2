"""Errors of the domain. They do not know HTTP; `http/problems.py` maps them to status codes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from premade.runtime.clock import rfc3339
from premade.texts.commands import command_text
from premade.texts.problems import ProblemText, problem_texts
from premade.texts.translation import Language, reading_in, translate

FIELDS_NAMED_MAX = 3


@dataclass(eq=False)
class DomainError(Exception):
    """An error with a stable code. A feature has one subclass for each of its errors.

    The class has the code and the values of one occurrence. `texts/problems.toml` has all words, by the code. If it has
    several details, the member `reason` of the error names one of them.
    """

    code: ClassVar[str] = ""
    """Stable identifier in upper case, for programs."""
    published: ClassVar[tuple[str, ...]] = ()
    """Names of the values that are members of the answer. The others are in the detail only."""

    @property
    def text(self) -> ProblemText:
        """Title, cause and remedy: the same for each occurrence."""
        return problem_texts()[self.code]

    @property
    def detail(self) -> str:
        """What happened this time."""
        return translate(self.text.detail_of(getattr(self, "reason", ""))).format_map(_Shown(self))

    def detail_in(self, language: Language) -> str:
        """Return the detail in this language: for records and logs, which keep no reader's language."""
        with reading_in(language):
            return self.detail

    @property
    def members(self) -> dict[str, Any]:
        """Additional members of the answer."""
        values = {name: getattr(self, name) for name in self.published}
        return {
            name: rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()
        }

    def __str__(self) -> str:
        return self.detail


class _Shown:
    """The members of an error, as a detail shows them."""

    def __init__(self, error: DomainError) -> None:
        self._error = error

    def __getitem__(self, name: str) -> Any:
        value = getattr(self._error, name)
        if isinstance(value, datetime):
            return rfc3339(value)
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


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


@dataclass(eq=False)
class TooMany(DomainError):
    """Too many attempts within a period. Nothing was changed."""

    retry_after_seconds: int
    """Time until the next attempt is allowed."""


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
    """What is wrong, and what would be right: a text of `texts/fields.toml`."""


@dataclass(eq=False)
class Invalid(DomainError):
    """At least one field of the request is wrong."""

    code = "INVALID_REQUEST"

    errors: list[FieldError]

    @property
    def reason(self) -> Literal["few", "many"]:
        """Whether the detail names all fields."""
        return "many" if self.more > 0 else "few"

    @property
    def fields(self) -> str:
        """The first fields, each with its error."""
        return "; ".join(f"{error.pointer}: {error.detail}" for error in self.errors[:FIELDS_NAMED_MAX])

    @property
    def more(self) -> int:
        """Number of the other fields."""
        return len(self.errors) - FIELDS_NAMED_MAX


EarlierRequest = Literal["order", "batch", "reservation", "release", "other"]
"""What an earlier request with the same Idempotency-Key did: it created an order, a batch or a reservation, released a
reservation, or changed a ticket or a batch."""
_ID_OF_EARLIER: dict[EarlierRequest, str] = {
    "order": "order_id",
    "batch": "batch_id",
    "reservation": "reservation_id",
    "release": "reservation_id",
}


@dataclass(eq=False)
class IdempotencyKeyReused(Mismatch):
    """The Idempotency-Key was already used for a different request."""

    code = "IDEMPOTENCY_KEY_REUSED"

    reason: EarlierRequest
    earlier: str | None
    """Id of what the earlier request created or changed."""

    @property
    def members(self) -> dict[str, Any]:
        """Return the id under its name in the API."""
        name = _ID_OF_EARLIER.get(self.reason)
        return {name: self.earlier} if name else {}


@dataclass(eq=False)
class ResultArchived(Conflict):
    """The request was executed before, and its audit event has been moved to the archive. It was not executed again."""

    code = "RESULT_ARCHIVED"
    published = ("executed_at",)

    reason: Literal["request", "scan"]
    executed_at: datetime


@dataclass(eq=False)
class DatabaseAway(Unavailable):
    """The service cannot reach its database, or lost the connection."""

    code = "DATABASE_AWAY"

    reason: Literal[
        "no_response", "not_admitted", "no_writes", "former_primary", "disk_full", "no_connection", "unable"
    ] = "no_response"
    sqlstate: str = ""


class DatabaseRestored(DatabaseAway):
    """The database was restored, copied or promoted, and the service has not yet recorded it."""

    code = "DATABASE_RESTORED"


@dataclass(eq=False)
class Busy(Unavailable):
    """Other requests have locked the same ticket, batch or stock, or all database connections are in use."""

    code = "BUSY"

    reason: Literal[
        "row_locked",
        "ticket_locked",
        "this_ticket_locked",
        "overtaken",
        "overtaken_generation",
        "cancellation_locked",
        "connections",
        "codes",
        "large_bodies",
        "key_lookups",
        "starts",
    ]
    subject: str = ""
    """The ticket or the batch."""
    tries: int = 0

    @property
    def meets_all(self) -> bool:
        """Whether every request would fail now, not only those for the same row."""
        return self.reason in {"connections", "codes", "large_bodies"}


class CommandError(Exception):
    """An error that only commands print, such as a port that is taken.

    Its text is in `texts/commands.toml`, by the code of the class and the reason.
    """

    code: ClassVar[str] = "CANNOT_START"

    def __init__(self, reason: str, **values: object) -> None:
        """`values`: those in the text."""
        super().__init__(reason, values)
        self.reason = reason
        self.values = values

    def __str__(self) -> str:
        return command_text(self.code, self.reason, **self.values)


class RuleBroken(Exception):
    """The database refused a change; `rule` is the name of the constraint."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule
