"""Statements of `lookup.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class OrderRow:
    order_id: str
    status: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    created_at: datetime
    ticket_codes: list[str]
    customer_erased_at: datetime | None


@dataclass(slots=True)
class OrderOfPartner(OrderRow):
    partner_id: int
    place: int
    matches: bool


@dataclass(slots=True)
class OrderOfPayment(OrderRow):
    by_id: str
    place: int
    matches: bool


@statement
def order_by_id(*, partner_id: int, order_id: str) -> OrderRow: ...


@statement
def orders_by_id(
    *,
    created_from: datetime | None,
    created_before: datetime | None,
    partner_id: int,
    after_order_id: str | None,
    oldest_id: str,
    rows_read_max: int,
    rows: int,
) -> OrderOfPartner: ...


@statement
def orders_of_payment(
    *,
    created_from: datetime | None,
    created_before: datetime | None,
    payment_reference: str,
    partner_id: int,
    after_order_id: str | None,
    oldest_id: str,
    rows_read_max: int,
    rows: int,
) -> OrderOfPayment: ...
