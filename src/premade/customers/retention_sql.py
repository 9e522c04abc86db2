"""Statements of `retention.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.audit.event import EventName
from premade.audit.events import TicketCancellation, TicketRedeemed
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class RetentionPosition:
    last_order_id: str
    is_resting: bool


@dataclass(slots=True)
class OrderRead:
    order_id: str
    is_due: bool


@statement
def position(*, pause: timedelta) -> RetentionPosition: ...


@statement
def move(*, last_order_id: str, is_end: bool) -> None: ...


@statement
def due_orders(
    *,
    zone: str,
    redeemed: EventName[TicketRedeemed],
    cancelled: EventName[TicketCancellation],
    now: datetime,
    kept: timedelta,
    after: str,
    before: str,
    rows_read_max: int,
) -> OrderRead: ...
