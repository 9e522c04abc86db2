"""Statements of `history.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class UnsoldTicket:
    ticket_code: str
    product_id: int


@statement
def last_sale(*, partner_id: int) -> datetime: ...


@statement
def unused(*, partner_id: int, last_day: date) -> UnsoldTicket: ...
