"""Statements of `cancel.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.audit.event import EventName
from premade.audit.events import TicketCancellation
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketToCancel:
    ticket_id: int
    status: str
    first_used_at: datetime | None
    valid_until: date | None
    order_id: str | None
    channel: str
    cancellation: str


@dataclass(slots=True)
class CancelledRow:
    order_status: str | None
    cancelled_at: datetime


@statement
def ticket_to_cancel(*, ticket_code: str, partner_id: int) -> TicketToCancel: ...


@statement
def lock_order(*, partner_id: int, order_id: str) -> str: ...


@statement
def cancel(
    *,
    ticket_id: int,
    partner_id: int,
    event: EventName[TicketCancellation],
    actor: str,
    request_id: str | None,
    reason: str,
    now: datetime,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
    channel: str,
) -> CancelledRow: ...
