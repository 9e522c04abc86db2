"""Statements of `lookup.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of
from premade.stock.reserve_sql import ReservationRow

statement = statements_of(__file__)


@dataclass(slots=True)
class ReservationNow(ReservationRow):
    channel: str
    database_now: datetime


@statement
def reservation_by_id(*, partner_id: int, reservation_id: str) -> ReservationNow: ...


@statement
def reservations_of_partner(
    *, partner_id: int, after_reservation_id: str | None, rows_max: int
) -> ReservationNow: ...
