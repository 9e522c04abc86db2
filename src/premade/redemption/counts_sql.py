"""Statements of `counts.sql`, and their rows."""

from datetime import date, datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def lock_names(*, lock_space: int, owner: str, day: date, zone: str, device_id: str) -> None: ...


@statement
def count_at_gate(
    *,
    day: date,
    zone: str,
    owner: str,
    device_id: str,
    others: str,
    devices_max: int,
    partner_id: int | None,
    now: datetime,
    counts: str,
) -> None: ...
