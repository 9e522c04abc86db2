"""Statements of `activate.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from premade.activation.outcome import SaleOutcome
from premade.audit.event import EventName
from premade.audit.events import TicketActivated
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ActivationResult:
    position: int
    outcome: SaleOutcome
    order_id: str | None
    customer_name: str
    customer_email: str | None
    customer_phone: str | None
    ticket_codes: list[str] | None
    request_digest: bytes | None
    customer_erased_at: datetime | None
    payment_reference: str
    total_amount: Decimal | None
    currency: str | None
    activated_at: datetime
    valid_until: date | None


@statement
def activate(
    *,
    today: date,
    zone: str,
    lock_timeout_ms: str,
    activations: str,
    partner_ids: list[int],
    operation: str,
    now: datetime,
    event: EventName[TicketActivated],
) -> ActivationResult: ...


@statement
def wait_for_ticket(*, partner_id: int, ticket_code: str) -> int: ...
