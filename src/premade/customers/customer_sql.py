"""Statements of `customer.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from premade.audit.event import EventName
from premade.audit.events import TicketCustomerExported, TicketRedeemed
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class OrderOfCustomer:
    order_id: str
    partner_id: int
    partner: str
    status: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    created_at: datetime
    ticket_codes: list[str]


@dataclass(slots=True)
class OrderCount:
    orders: int
    partners: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(slots=True)
class TicketOfCustomer:
    order_id: str | None
    ticket_code: str
    product: str
    status: str
    entitlements: list[dict[str, Any]]
    price: Decimal
    currency: str
    usable_until: date | None
    activated_at: datetime | None
    first_used_at: datetime | None


@dataclass(slots=True)
class UseOfTicket:
    ticket_code: str | None
    occurred_at: datetime
    function_code: str
    uses: int
    device_id: str


@statement
def orders_of_email(*, emails: list[str], rows: int) -> OrderOfCustomer: ...


@statement
def count_orders_of_email(*, emails: list[str]) -> OrderCount: ...


@statement
def tickets_of_orders(*, ticket_codes: list[str], partner_ids: list[int]) -> TicketOfCustomer: ...


@statement
def uses_of_tickets(
    *, partner_ids: list[int], ticket_codes: list[str], event: EventName[TicketRedeemed], since: datetime
) -> UseOfTicket: ...


@statement
def record_exports(
    *,
    event: EventName[TicketCustomerExported],
    actor: str,
    request_id: str | None,
    client_ip: str | None,
    now: datetime,
    partner_ids: list[int],
    order_ids: list[str],
) -> None: ...
