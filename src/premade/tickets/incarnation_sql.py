"""Statements of `incarnation.sql`, and their rows."""

from dataclasses import dataclass
from uuid import UUID

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class IncarnationLook:
    incarnation_id: UUID | None
    is_refreshed: bool | None
    marker: str | None
    differences: str | None
    wal_bytes: int | None


@statement
def look() -> IncarnationLook: ...


@statement
def lock_incarnation() -> None: ...


@statement
def refresh() -> None: ...


@statement
def set_marker(*, marker: str | None) -> None: ...


@statement
def begin(*, more_ms: int) -> UUID: ...


@statement
def set_key_of_unfinished_batches(*, key_ids: list[str]) -> None: ...
