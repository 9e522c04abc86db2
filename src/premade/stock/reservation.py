"""The rules of reservations: duration, status, and what a batch can take.

A reservation stops counting at its expiry time, even if no process ends it then.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict, Exhausted, FieldError, Invalid, NotFound
from premade.stock.lookup_sql import ReservationNow
from premade.stock.reserve_sql import ReservationRow
from premade.texts.fields import field_text

HOLD_DEFAULT = timedelta(hours=24)
QUANTITY_MAX = 100_000
"""Tickets in one reservation."""
RESERVATION_ID_PATTERN = r"RSV-[0-9]{13}"
_RESERVATION_ID = re.compile(RESERVATION_ID_PATTERN)


@dataclass(eq=False)
class ReservationUnknown(NotFound):
    """No reservation has this id, or it belongs to another partner."""

    code = "RESERVATION_UNKNOWN"

    reason: Literal["malformed", "unknown", "ended"]
    reservation_id: str


@dataclass(eq=False)
class ReservationEnded(Conflict):
    """The reservation holds no stock: it has expired, was released, or batches took all of it."""

    code = "RESERVATION_ENDED"
    published = ("reservation_id", "reservation_status")

    reservation_id: str
    reservation_status: "ReservationStatus"

    @property
    def reason(self) -> Literal["released", "expired", "used_up"]:
        """Return what ended it."""
        if self.reservation_status is ReservationStatus.RELEASED:
            return "released"
        return "expired" if self.reservation_status is ReservationStatus.EXPIRED else "used_up"


@dataclass(eq=False)
class ReservationTooSmall(Exhausted):
    """The reservation holds fewer tickets than the batch needs."""

    code = "RESERVATION_TOO_SMALL"
    published = ("reservation_id", "requested", "held")

    reservation_id: str
    requested: int
    held: int


class ReservationStatus(StrEnum):
    """Whether a reservation still holds stock, or how it ended."""

    HELD = "HELD"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    USED_UP = "USED_UP"


@dataclass(frozen=True)
class Reservation:
    """A reservation at one time; `replayed`: an earlier request with the same Idempotency-Key created or released it."""

    reservation_id: str
    product_id: int
    quantity: int
    taken: int
    held: int
    status: ReservationStatus
    expires_at: datetime
    created_at: datetime
    replayed: bool = False


def is_reservation_id(text: str) -> bool:
    """Return whether the text has the form of a reservation id."""
    return _RESERVATION_ID.fullmatch(text) is not None


def status_of(end_reason: str | None, expires_at: datetime, now: datetime) -> ReservationStatus:
    """Return the status at `now`. At `expires_at` itself a reservation has expired."""
    if end_reason is not None:
        return ReservationStatus(end_reason.upper())
    return ReservationStatus.HELD if now < expires_at else ReservationStatus.EXPIRED


def reservation_at(row: ReservationRow, now: datetime, *, replayed: bool = False) -> Reservation:
    """Return the reservation at `now`. If the row has the database's time, both clocks must have passed `expires_at`."""
    until = min(now, row.database_now) if isinstance(row, ReservationNow) else now
    status = status_of(row.end_reason, row.expires_at, until)
    return Reservation(
        reservation_id=row.reservation_id,
        product_id=row.product_id,
        quantity=row.quantity,
        taken=row.taken,
        held=row.quantity - row.taken if status is ReservationStatus.HELD else 0,
        status=status,
        expires_at=row.expires_at,
        created_at=row.created_at,
        replayed=replayed,
    )


def expiry(requested: datetime | None, now: datetime, hours_max: int) -> datetime:
    """Return the expiry time of a reservation that begins now: the requested one, or the default.

    Raises:
        Invalid: it is past, or later than the partner's limit.
    """
    longest = timedelta(hours=hours_max)
    if requested is None:
        return now + min(HOLD_DEFAULT, longest)
    if requested <= now:
        raise Invalid([FieldError("#/expires_at", field_text("reservation.past", now=rfc3339(now)))])
    if requested > now + longest:
        text = field_text("reservation.too_late", latest=rfc3339(now + longest), hours_max=hours_max)
        raise Invalid([FieldError("#/expires_at", text)])
    return requested


def check_take(reservation_id: str, status: ReservationStatus, left: int, quantity: int) -> None:
    """Return if a batch of `quantity` can take its stock from the reservation.

    Raises:
        ReservationEnded: it holds no stock.
        ReservationTooSmall: it holds less.
    """
    if status is not ReservationStatus.HELD:
        raise ReservationEnded(reservation_id, status)
    if quantity > left:
        raise ReservationTooSmall(reservation_id, requested=quantity, held=left)


def reservation_unknown(reservation_id: str) -> ReservationUnknown:
    """Return the error. It is the same for an id that does not exist and for another partner's."""
    return ReservationUnknown("unknown" if is_reservation_id(reservation_id) else "malformed", reservation_id)
