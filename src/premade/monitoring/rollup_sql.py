"""Statements of `rollup.sql`, and their rows."""

from datetime import date, datetime, timedelta

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def roll_up(*, only_partner_id: int | None, deltas_max: int, zone: str) -> int: ...


@statement
def partners_with_deltas() -> int: ...


@statement
def forget_old_spans(*, before: datetime, age_max: timedelta) -> None: ...


@statement
def forget_old_days(*, before: date, age_max: timedelta, zone: str) -> None: ...


@statement
def forget_old_gate_counts(*, before: date, age_max: timedelta, zone: str) -> None: ...


@statement
def only_one(*, lock: int) -> bool: ...
