"""Statements of `expire.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.audit.event import EventName
from premade.audit.events import TicketExpiry
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class DueBatch:
    partner_id: int
    batch_id: str


@dataclass(slots=True)
class BatchToExpire:
    product_id: int
    channel: str
    to_make: int


@dataclass(slots=True)
class ExpiredTickets:
    expired: int
    last_code: str | None


@statement
def due(*, today: date, zone: str, batches_max: int) -> DueBatch: ...


@statement
def only_one(*, lock: int) -> bool: ...


@statement
def lock_batch(*, partner_id: int, batch_id: str) -> BatchToExpire: ...


@statement
def expire(
    *,
    partner_id: int,
    batch_id: str,
    after: str,
    tickets_max: int,
    event: EventName[TicketExpiry],
    actor: str,
    now: datetime,
    product_id: int,
    channel: str,
) -> ExpiredTickets: ...


@statement
def end_batch(*, now: datetime, partner_id: int, batch_id: str) -> str: ...
