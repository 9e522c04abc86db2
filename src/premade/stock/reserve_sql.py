"""Statements of `reserve.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import ReservationMade
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class StockLook:
    product_id: int | None
    reservation_hours_max: int
    now: datetime
    available: int
    stale: bool | None


@dataclass(slots=True)
class ReservationRow:
    reservation_id: str
    product_id: int
    quantity: int
    taken: int
    created_at: datetime
    expires_at: datetime
    end_reason: str | None


@dataclass(slots=True)
class ReservationReceipt(ReservationRow):
    request_digest: bytes | None


@statement
def reservation_of_key(*, partner_id: int, idempotency_key: str | None) -> ReservationReceipt: ...


@statement
def look_at_stock(*, now: datetime, product_id: int, channel: str | None, partner_id: int) -> StockLook: ...


@statement
def reserve(
    *,
    partner_id: int,
    product_id: int,
    channel: str,
    quantity: int,
    now: datetime,
    expires_at: datetime | None,
    idempotency_key: str | None,
    request_digest: bytes | None,
    event: EventName[ReservationMade],
    actor: str,
    request_id: str | None,
) -> ReservationRow: ...
