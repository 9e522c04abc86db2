"""Statements of `manual.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class EntryCount:
    entries: int
    span_began_at: datetime


@statement
def count_entry(*, subject: str, now: datetime, span: timedelta) -> EntryCount: ...


@statement
def take_entries_back(*, subjects: list[str]) -> None: ...


@statement
def forget_old(*, now: datetime, span: timedelta, rows_max: int) -> None: ...


@statement
def customer_phone(*, ticket_code: str, partner_id: int | None) -> str: ...
