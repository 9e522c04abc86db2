"""Statements of `order.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from premade.activation.outcome import SaleOutcome
from premade.audit.event import EventName
from premade.audit.events import TicketActivated
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class OrderReceipt:
    order_id: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    activated_at: datetime
    ticket_codes: list[str]
    request_digest: bytes
    customer_erased_at: datetime | None
    batch_id: str


@dataclass(slots=True)
class TicketAsSold:
    ticket_code: str
    entitlements: list[dict[str, Any]]
    usable_until: date | None
    issue_number: int
    signing_key_id: str


@dataclass(slots=True)
class UnusedTicket:
    ticket_id: int
    ticket_code: str
    price: Decimal
    currency: str
    valid_until: date | None
    is_over: bool


@dataclass(slots=True)
class BatchToSell:
    valid_until: date | None
    is_over: bool


@dataclass(slots=True)
class TicketToSell:
    ticket_id: int | None
    ticket_code: str
    price: Decimal | None
    currency: str | None
    valid_until: date | None
    outcome: SaleOutcome
    order_id: str | None
    activated_at: datetime | None
    payment_reference: str | None
    place: int


@dataclass(slots=True)
class SoldTicketRow:
    order_id: str
    ticket_code: str
    entitlements: list[dict[str, Any]]
    qr_code: str
    usable_until: date | None
    activated_at: datetime


@statement
def order_of_key(*, partner_id: int, operation: str, idempotency_keys: list[str]) -> OrderReceipt: ...


@statement
def tickets_as_sold(*, event: str, partner_id: int, order_id: str) -> TicketAsSold: ...


@statement
def free_tickets(
    *, today: date, zone: str, partner_id: int, batch_id: str, quantity: int
) -> UnusedTicket: ...


@statement
def wait_for_batch(*, today: date, zone: str, partner_id: int, batch_id: str) -> BatchToSell: ...


@statement
def unused_tickets(
    *, today: date, zone: str, partner_id: int, batch_id: str, quantity: int
) -> UnusedTicket: ...


@statement
def listed_tickets(*, today: date, zone: str, ticket_codes: list[str], partner_id: int) -> TicketToSell: ...


@statement
def sell(
    *,
    partner_id: int,
    customer_name: str,
    customer_email: str,
    customer_phone: str,
    payment_reference: str,
    event_reference: str | None,
    total_amount: Decimal,
    currency: str,
    ticket_codes: list[str],
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes,
    now: datetime,
    today: date,
    zone: str,
    ticket_ids: list[int],
    event: EventName[TicketActivated],
    actor: str,
    request_id: str | None,
) -> SoldTicketRow: ...
