"""Statements of `months.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class MonthRow:
    day: date


@dataclass(slots=True)
class DefaultPartition:
    has_events: bool


@statement
def create_months(*, lock_timeout_ms: str, ahead: int) -> MonthRow: ...


@statement
def missing_months(*, ahead: int) -> MonthRow: ...


@statement
def default_has_events() -> DefaultPartition: ...
