"""Statements of `erase.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import TicketCustomerErased
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class OrderToErase:
    order_id: str
    partner_id: int
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    idempotency_key: str | None


@dataclass(slots=True)
class ErasedOrder:
    order_id: str
    customer_erased_at: datetime | None
    place: int


@statement
def wait_for_turn(*, lock: int) -> object: ...


@statement
def try_turn(*, lock: int) -> bool: ...


@statement
def lock_orders_of_email(*, emails: list[str], rows: int) -> OrderToErase: ...


@statement
def lock_orders(*, order_ids: list[str]) -> OrderToErase: ...


@statement
def erase(
    *,
    name: str,
    email: str,
    phone: str,
    now: datetime,
    partner_ids: list[int],
    order_ids: list[str],
    payment_references: list[str],
    idempotency_keys: list[str],
    event: EventName[TicketCustomerErased],
    actor: str,
    request_id: str | None,
    client_ip: str | None,
    cause: str,
) -> None: ...


@statement
def erased_orders(*, after: str, rows_read_max: int, since: datetime) -> ErasedOrder: ...
