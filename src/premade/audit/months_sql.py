"""Statements of `months.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class MonthStart:
    day: date


@dataclass(slots=True)
class DefaultPartition:
    has_events: bool


@statement
def create_months(*, lock_timeout_ms: str, ahead: int) -> MonthStart: ...


@statement
def missing_months(*, ahead: int) -> MonthStart: ...


@statement
def default_has_events() -> DefaultPartition: ...
