"""The rules of a new batch. Each check reads the row of the statement `look`."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from premade.catalog.product import ProductUnknown
from premade.generation import generate_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.runtime.errors import Conflict, FieldError, Invalid
from premade.stock.allotment import StockShort
from premade.stock.reservation import ReservationStatus, check_take, reservation_unknown, status_of
from premade.texts.fields import field_text


@dataclass(eq=False)
class BatchIdTaken(Conflict):
    """You already have a batch with this batch_id."""

    code = "BATCH_ID_TAKEN"
    published = ("batch_id",)

    reason: Literal["taken", "differs"]
    batch_id: str
    quantity: int = 0
    """Of the existing batch, like `product_id`."""
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
    """Values that a new batch copies from its product."""

    ticket_type: str
    code_prefix: str
    price: Decimal
    currency: str
    entitlements: list[dict[str, Any]]


def terms_of_product(row: sql.BatchLook, request: BatchRequest) -> ProductTerms:
    """Return the terms of the product.

    Raises:
        ProductUnknown: no product has this id.
    """
    if row.product_id is None:
        raise ProductUnknown("to_partner", request.product_id)
    assert row.ticket_type is not None
    assert row.code_prefix is not None
    assert row.price is not None
    assert row.currency is not None
    assert row.entitlements is not None
    return ProductTerms(row.ticket_type, row.code_prefix, row.price, row.currency, row.entitlements)


def check_batch(row: sql.BatchLook, request: BatchRequest) -> None:
    """Return if the batch can be generated.

    Raises:
        Invalid: a day is past or too late, or the reservation is of another product.
        ProductUnknown, ReservationUnknown: the partner has none with this id.
        ProductOver, BatchIdTaken, StockShort: the state of the product, the batches or the stock.
        ReservationEnded, ReservationTooSmall: the state of the reservation.
    """
    today = row.today
    # Check the day here, not at the edge: a retry after midnight gets the response of the first request.
    if request.valid_until is not None and request.valid_until < today:
        raise Invalid([FieldError("#/valid_until", field_text("batch.past", today=today))])
    if row.product_id is None:
        raise ProductUnknown("to_partner", request.product_id)
    if request.reservation_id is not None:
        _check_product_of_reservation(row, request, request.reservation_id)
    _check_days(row, request, today)
    if row.batch_id_taken:
        raise BatchIdTaken("taken", request.batch_id)
    _check_stock(row, request)


def _check_product_of_reservation(row: sql.BatchLook, request: BatchRequest, reservation_id: str) -> None:
    if row.reserved_product_id is None:
        raise reservation_unknown(reservation_id)
    if row.reserved_product_id != request.product_id:
        text = field_text(
            "reservation.other_product",
            product_id=request.product_id,
            other_product_id=row.reserved_product_id,
        )
        raise Invalid([FieldError("#/reservation_id", text)])


def _reservation_status(row: sql.BatchLook) -> ReservationStatus:
    assert row.reservation_expires_at is not None
    return status_of(row.reservation_end_reason, row.reservation_expires_at, row.now)


def held(row: sql.BatchLook) -> int | None:
    """Return how many tickets the reservation holds. None if the request names no reservation."""
    if row.reserved_product_id is None:
        return None
    return row.left_of_reservation if _reservation_status(row) is ReservationStatus.HELD else 0


def _check_stock(row: sql.BatchLook, request: BatchRequest) -> None:
    if request.reservation_id is not None:
        status = _reservation_status(row)
        assert row.left_of_reservation is not None
        check_take(request.reservation_id, status, row.left_of_reservation, request.quantity)
    elif row.available < request.quantity:
        raise StockShort(request.product_id, requested=request.quantity, available=row.available)


def last_day_of_sale(row: sql.BatchLook, request: BatchRequest) -> date | None:
    """Return the last day of sale: the requested day, or else the product's last day of use, or None."""
    return request.valid_until or row.usable_until


def _check_days(row: sql.BatchLook, request: BatchRequest, today: date) -> None:
    last_day_of_use = row.usable_until
    if last_day_of_use is None:
        return
    if last_day_of_use < today:
        raise ProductOver(request.product_id, last_day_of_use)
    if request.valid_until is not None and request.valid_until > last_day_of_use:
        text = field_text("batch.after_last_day_of_use", last_day=last_day_of_use)
        raise Invalid([FieldError("#/valid_until", text)])
