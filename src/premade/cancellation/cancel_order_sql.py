"""Statements of `cancel_order.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import OrderCancellation, TicketCancellation
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketToCheck:
    ticket_code: str
    status: str
    first_used_at: datetime | None
    cancellation: str


@statement
def codes_of_order(*, partner_id: int, order_id: str) -> list[str]: ...


@statement
def lock_tickets(*, ticket_codes: list[str], partner_id: int) -> TicketToCheck: ...


@statement
def record(
    *,
    partner_id: int,
    event: EventName[OrderCancellation],
    actor: str,
    request_id: str | None,
    order_id: str,
    reason: str,
    ticket_codes: list[str],
    now: datetime,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> datetime: ...


@statement
def cancel_tickets(
    *,
    ticket_codes: list[str],
    partner_id: int,
    order_id: str,
    event: EventName[TicketCancellation],
    actor: str,
    request_id: str | None,
    reason: str,
    now: datetime,
) -> None: ...
