"""The rules of a new batch. Each check reads the row of the statement `look`."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from premade.catalog.product import ProductUnknown
from premade.generation import generate_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.runtime.errors import Conflict, FieldError, IdempotencyKeyReused, Invalid
from premade.stock.allotment import StockShort
from premade.stock.reservation import ReservationStatus, check_take, reservation_unknown, status_of


@dataclass(eq=False)
class BatchIdTaken(Conflict):
    """You already have a batch with this batch_id."""

    code = "BATCH_ID_TAKEN"
    published = ("batch_id",)

    reason: Literal["taken", "differs"]
    batch_id: str
    quantity: int = 0
    """Of the other batch, as its product."""
    product_id: int = 0


@dataclass(eq=False)
class ProductOver(Conflict):
    """The product's last day of use has ended."""

    code = "PRODUCT_OVER"
    published = ("product_id", "usable_until")

    product_id: int
    usable_until: date


@dataclass(frozen=True)
class ProductTerms:
    """What a batch takes from its product when it is made; `entitlements` as JSON."""

    ticket_type: str
    code_prefix: str
    price: Decimal
    currency: str
    entitlements: list[dict[str, Any]]


def made_before(seen: sql.Look, wanted: BatchRequest) -> str | None:
    """Return the id of the batch of an earlier request with the same Idempotency-Key, or None.

    Raises:
        IdempotencyKeyReused: the earlier request was another one.
    """
    if seen.made_batch_id is None:
        return None
    assert seen.made_request_digest is not None
    if not wanted.is_of(seen.made_request_digest):
        raise IdempotencyKeyReused("batch", seen.made_batch_id)
    return seen.made_batch_id


def terms_of_product(seen: sql.Look, wanted: BatchRequest) -> ProductTerms:
    """Return the terms of the product. Raises ProductUnknown."""
    if seen.product_id is None:
        raise ProductUnknown("to_partner", wanted.product_id)
    assert seen.ticket_type is not None
    assert seen.code_prefix is not None
    assert seen.price is not None
    assert seen.currency is not None
    assert seen.entitlements is not None
    return ProductTerms(seen.ticket_type, seen.code_prefix, seen.price, seen.currency, seen.entitlements)


def check_batch(seen: sql.Look, wanted: BatchRequest) -> None:
    """Return if the batch can be made.

    Raises:
        Invalid: a day is past or too late, or the reservation is of another product.
        ProductUnknown, ReservationUnknown: there is none for this partner.
        ProductOver, BatchIdTaken, StockShort: the state of the product, the batches or the stock.
        ReservationEnded, ReservationTooSmall: the state of the reservation.
    """
    today = seen.today
    # Not before a replay is looked for: a retry just after midnight is answered like the first try.
    if wanted.valid_until is not None and wanted.valid_until < today:
        message = f"Must be {today} (today) or later: it is the last day of sale"
        raise Invalid([FieldError("#/valid_until", message)])
    if seen.product_id is None:
        raise ProductUnknown("to_partner", wanted.product_id)
    if wanted.reservation_id is not None:
        _check_whose(seen, wanted, wanted.reservation_id)
    _check_days(seen, wanted, today)
    if seen.batch_id_taken:
        raise BatchIdTaken("taken", wanted.batch_id)
    _check_stock(seen, wanted)


def _check_whose(seen: sql.Look, wanted: BatchRequest, reservation_id: str) -> None:
    if seen.reserved_product_id is None:
        raise reservation_unknown(reservation_id)
    if seen.reserved_product_id != wanted.product_id:
        message = (
            f"Must be a reservation of product {wanted.product_id}, not of product {seen.reserved_product_id}"
        )
        raise Invalid([FieldError("#/reservation_id", message)])


def _reservation_status(seen: sql.Look) -> ReservationStatus:
    assert seen.reservation_expires_at is not None
    return status_of(seen.reservation_end_reason, seen.reservation_expires_at, seen.now)


def held(seen: sql.Look) -> int | None:
    """Return how many tickets the reservation holds. None if the request names no reservation."""
    if seen.reserved_product_id is None:
        return None
    return seen.left_of_reservation if _reservation_status(seen) is ReservationStatus.HELD else 0


def _check_stock(seen: sql.Look, wanted: BatchRequest) -> None:
    if wanted.reservation_id is not None:
        status = _reservation_status(seen)
        assert seen.left_of_reservation is not None
        check_take(wanted.reservation_id, status, seen.left_of_reservation, wanted.quantity)
    elif seen.available < wanted.quantity:
        raise StockShort(wanted.product_id, requested=wanted.quantity, available=seen.available)


def last_day_of_sale(seen: sql.Look, wanted: BatchRequest) -> date | None:
    """Return the last day of sale: the requested day, or else the product's last day of use, or None."""
    return wanted.valid_until or seen.usable_until


def _check_days(seen: sql.Look, wanted: BatchRequest, today: date) -> None:
    last_day_of_use = seen.usable_until
    if last_day_of_use is None:
        return
    if last_day_of_use < today:
        raise ProductOver(wanted.product_id, last_day_of_use)
    if wanted.valid_until is not None and wanted.valid_until > last_day_of_use:
        message = f"Must be {last_day_of_use} or earlier: this is the product's last day of use"
        raise Invalid([FieldError("#/valid_until", message)])
