"""Reservations: how long one may hold, whether it still does, and what a batch may take from it. Pure.

Nobody need come by at the second in which a hold expires: whoever asks after that counts it as over.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict, Exhausted, FieldError, Invalid, NotFound
from premade.stock.reservations_sql import ReservationNow
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
    """Whether a reservation still holds, and what ended it if not."""

    HELD = "HELD"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    USED_UP = "USED_UP"


@dataclass(frozen=True)
class Reservation:
    """A reservation as it is at one moment; `replayed` when an earlier request did what this one asks for."""

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
    """Whether a reservation could have this id."""
    return _RESERVATION_ID.fullmatch(text) is not None


def status_of(end_reason: str | None, expires_at: datetime, now: datetime) -> ReservationStatus:
    """Where it stands at `now`. A hold is over at the instant `expires_at`, not after it."""
    if end_reason is not None:
        return ReservationStatus(end_reason.upper())
    return ReservationStatus.HELD if now < expires_at else ReservationStatus.EXPIRED


def reservation_at(row: ReservationRow, now: datetime, *, replayed: bool = False) -> Reservation:
    """Return the reservation as it is at `now`. A hold ends only when the database's clock, if the row has it, agrees."""
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


def expiry(asked: datetime | None, now: datetime, hours_max: int) -> datetime:
    """When a hold that begins now ends: as asked for, within the partner's limit. Invalid when it cannot be."""
    longest = timedelta(hours=hours_max)
    if asked is None:
        return now + min(HOLD_DEFAULT, longest)
    if asked <= now:
        raise Invalid([FieldError("#/expires_at", field_text("reservation.past", now=rfc3339(now)))])
    if asked > now + longest:
        text = field_text("reservation.too_late", latest=rfc3339(now + longest), hours_max=hours_max)
        raise Invalid([FieldError("#/expires_at", text)])
    return asked


def check_take(reservation_id: str, status: ReservationStatus, left: int, quantity: int) -> None:
    """Whether a batch of `quantity` can be taken from it; ReservationEnded, ReservationTooSmall."""
    if status is not ReservationStatus.HELD:
        raise ReservationEnded(reservation_id, status)
    if quantity > left:
        raise ReservationTooSmall(reservation_id, requested=quantity, held=left)


def reservation_unknown(reservation_id: str) -> ReservationUnknown:
    """Worded the same whether there is none or it is another partner's."""
    return ReservationUnknown("unknown" if is_reservation_id(reservation_id) else "malformed", reservation_id)
