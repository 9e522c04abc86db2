"""Statements of `large.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.audit.event import EventName
from premade.audit.events import BatchGenerated
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class UnfinishedBatch:
    partner_id: int
    batch_id: str
    channel: str
    actor: str


@dataclass(slots=True)
class LargeBatch:
    batch_id: str
    product_id: int
    quantity: int
    to_make: int
    unmade: int
    valid_until: date | None
    request_digest: bytes
    signing_key_id: str
    code_prefix: str
    ticket_type: str
    is_over: bool
    key_retired_at: datetime | None


@dataclass(slots=True)
class MissingTickets:
    to_make: int
    unmade: int


@statement
def unfinished(*, begun: str, now: datetime, today: date, zone: str, batches_max: int) -> UnfinishedBatch: ...


@statement
def large_batch(*, today: date, zone: str, partner_id: int, batch_id: str) -> LargeBatch: ...


@statement
def write_tickets(
    *,
    tickets: str,
    partner_id: int,
    batch_id: str,
    today: date,
    zone: str,
    signing_key_id: str,
    now: datetime,
    event: EventName[BatchGenerated],
    actor: str,
) -> MissingTickets: ...
