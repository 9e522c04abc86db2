"""Statements of `archive.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ArchivedMonth:
    month: date
    rows: int
    digest: str
    archived_at: datetime


@statement
def partitions_before(*, ends_at: datetime) -> str: ...


@statement
def partition_of(*, starts_at: datetime, ends_at: datetime) -> str: ...


@statement
def may_move() -> bool: ...


@statement
def is_spread() -> bool: ...


@statement
def take_turn() -> bool: ...


@statement
def earlier_of_both_clocks(*, now: datetime) -> datetime: ...


@statement
def unfinished_batch(*, ends_at: datetime) -> str: ...


@statement
def archived_months() -> ArchivedMonth: ...


@statement
def record_archive(
    *,
    month: date,
    ends_at: datetime,
    rows: int,
    last_transaction_id: str,
    digest: str,
    now: datetime,
) -> None: ...


@statement
def create_audit_table(*, name: str) -> None: ...


@statement
def forget_archive(*, month: date) -> None: ...
