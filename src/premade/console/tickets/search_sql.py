"""Statements of `search.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class FoundOrder:
    order_id: str
    partner_id: int
    status: str
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    created_at: datetime
    tickets: int
    partner: str


@dataclass(slots=True)
class FoundByPhone(FoundOrder):
    customer_phone: str


@dataclass(slots=True)
class TicketOfOrder:
    ticket_code: str
    status: str
    price: Decimal
    currency: str
    entitlements: list[dict[str, Any]]
    batch_id: str
    product: str


@statement
def orders_of_email(*, value: str, rows: int) -> FoundOrder: ...


@statement
def orders_of_phone(*, value: str, rows: int) -> FoundByPhone: ...


@statement
def orders_of_payment(*, value: str, rows: int) -> FoundOrder: ...


@statement
def tickets_of_order(*, ticket_codes: list[str], partner_id: int) -> TicketOfOrder: ...
