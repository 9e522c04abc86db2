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
class BatchToMake:
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
class StillToMake:
    to_make: int
    unmade: int


@statement
def being_made(*, begun: str, now: datetime, today: date, zone: str, batches_max: int) -> UnfinishedBatch: ...


@statement
def batch_to_make(*, today: date, zone: str, partner_id: int, batch_id: str) -> BatchToMake: ...


@statement
def make(
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
) -> StillToMake: ...
