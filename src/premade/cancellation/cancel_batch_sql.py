"""Statements of `cancel_batch.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import BatchCancellation, BatchCancellationBegun, TicketCancellation
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class BatchWithChannel:
    product_id: int
    channel: str


@dataclass(slots=True)
class CountByState:
    status: str
    by_this: bool
    tickets: int


@statement
def batch_to_cancel(*, partner_id: int, batch_id: str) -> BatchWithChannel: ...


@statement
def begin(
    *,
    partner_id: int,
    event: EventName[BatchCancellationBegun],
    actor: str,
    request_id: str | None,
    batch_id: str,
    reason: str,
    unmade: int | None,
    now: datetime,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> int: ...


@statement
def wait_for_unused(*, partner_id: int, batch_id: str, after: str) -> str: ...


@statement
def cancel_unused(
    *,
    partner_id: int,
    batch_id: str,
    after: str,
    tickets_max: int,
    event: EventName[TicketCancellation],
    actor: str,
    request_id: str | None,
    reason: str,
    beginning: int,
    now: datetime,
    product_id: int,
    channel: str,
) -> str | None: ...


@statement
def count_by_state(*, event: str, beginning: int, partner_id: int, batch_id: str) -> CountByState: ...


@statement
def end(
    *,
    partner_id: int,
    event: EventName[BatchCancellation],
    actor: str,
    request_id: str | None,
    batch_id: str,
    reason: str,
    cancelled: int,
    left_alone: str,
    unmade: int | None,
    now: datetime,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> datetime: ...
