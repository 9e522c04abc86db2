"""Statements of `attempts.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class AttemptsRow:
    subject: bytes
    ends_at: datetime
    attempts: int


@statement
def count_attempts(*, now: datetime, subjects: list[bytes], lengths: list[timedelta]) -> AttemptsRow: ...


@statement
def take_back(*, subjects: list[bytes], ends: list[datetime]) -> None: ...


@statement
def sweep(*, now: datetime, rows_max: int) -> int: ...
