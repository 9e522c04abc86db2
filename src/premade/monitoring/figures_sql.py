"""Statements of `figures.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketFigures:
    partner_id: int
    partner: str
    product_id: int
    unused: int
    activated: int
    expiring: int


@dataclass(slots=True)
class StockFigures:
    product_id: int
    channel: str
    available: int
    issued_lately: int


@dataclass(slots=True)
class GeneratedFigures:
    partner_id: int
    product_id: int
    last_day: int
    last_hour: int


@dataclass(slots=True)
class SalesFigures:
    day: date | None
    product_id: int | None
    currency: str
    tickets: int
    amount: Decimal


@dataclass(slots=True)
class GateCount:
    owner: str
    device_id: str
    code: str
    counted: int
    last_at: datetime


@dataclass(slots=True)
class RefusalCount:
    day: date
    code: str
    refused: int


@statement
def tickets(*, today: date, soon: date, since: datetime, partner_id: int | None) -> TicketFigures: ...


@statement
def stock(*, now: datetime, rate_since: datetime, partner_id: int | None) -> StockFigures: ...


@statement
def generated(*, hour_ago: datetime, day_ago: datetime) -> GeneratedFigures: ...


@statement
def sales(*, first: date, last: date, zone: str, partner_id: int | None) -> SalesFigures: ...


@statement
def gate_counts(*, since_day: date, partner_id: int | None, rows_max: int) -> GateCount: ...


@statement
def refusals(*, first: date, last: date, partner_id: int | None) -> RefusalCount: ...
