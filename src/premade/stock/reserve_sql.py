"""Statements of `reserve.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import ReservationMade, ReservationReleased
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class StockLook:
    product_id: int | None
    reservation_hours_max: int
    now: datetime
    available: int
    stale: bool | None
    made_reservation_id: str | None
    made_request_digest: bytes | None


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
class ReservationLook:
    reservation_id: str | None
    product_id: int | None
    channel: str | None
    quantity: int | None
    taken: int | None
    created_at: datetime | None
    expires_at: datetime | None
    end_reason: str | None
    made_reservation_id: str | None
    made_request_digest: bytes | None


@dataclass(slots=True)
class ReservationNow(ReservationRow):
    database_now: datetime


@statement
def look_at_stock(
    *, now: datetime, product_id: int, channel: str | None, partner_id: int, idempotency_key: str | None
) -> StockLook: ...


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


@statement
def look_at_reservation(
    *, partner_id: int, reservation_id: str | None, operation: str, idempotency_key: str | None
) -> ReservationLook: ...


@statement
def release(
    *,
    now: datetime,
    partner_id: int,
    reservation_id: str,
    event: EventName[ReservationReleased],
    actor: str,
    request_id: str | None,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> ReservationRow: ...


@statement
def reservation_by_id(*, partner_id: int, reservation_id: str) -> ReservationNow: ...


@statement
def reservations_of_partner(
    *, partner_id: int, after_reservation_id: str | None, rows_max: int
) -> ReservationNow: ...
