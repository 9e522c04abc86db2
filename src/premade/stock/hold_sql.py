"""Statements of `hold.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import ReservationExpired
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ExpiredHold:
    reservation_id: str
    product_id: int
    held: int


@dataclass(slots=True)
class HoldRow:
    reservation_id: str
    partner: str
    is_test: bool
    channel: str
    quantity: int
    taken: int
    held: int
    created_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class HoldToRelease:
    reservation_id: str
    partner_id: int
    partner: str
    product_id: int
    channel: str
    quantity: int
    taken: int
    held: int
    expires_at: datetime


@statement
def wait_for_allotment(*, product_id: int, channel: str) -> None: ...


@statement
def expire(
    *,
    now: datetime,
    product_id: int,
    channel: str,
    holds_max: int,
    event: EventName[ReservationExpired],
    actor: str,
) -> ExpiredHold: ...


@statement
def holds_of_product(*, product_id: int, now: datetime, holds_max: int) -> HoldRow: ...


@statement
def hold_to_release(*, reservation_id: str, now: datetime) -> HoldToRelease: ...
