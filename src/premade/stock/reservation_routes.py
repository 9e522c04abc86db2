"""`/api/ota/reservations`."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, NamedTuple

from fastapi import Path
from pydantic import ConfigDict, Field

from premade.catalog.product import ProductUnknown
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, IdempotencyKey, Moment, RequestModel, Timestamp
from premade.http.pagination import LINK_HEADER, NEXT, PAGE_ROWS_DEFAULT, CursorText, Limit, link_to_next
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.partners.partner import RESERVATION_HOURS_DEFAULT
from premade.postgres.keyset import Keyset
from premade.runtime.errors import IdempotencyKeyReused, ResultArchived
from premade.stock.allotment import StockShort
from premade.stock.quotas import QuotaReached
from premade.stock.release import ReleaseRequest
from premade.stock.reservation import (
    HOLD_DEFAULT,
    QUANTITY_MAX,
    RESERVATION_ID_PATTERN,
    Reservation,
    ReservationEnded,
    ReservationStatus,
    ReservationUnknown,
)
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest

router = partner_router("Inventory")


class _ReservationKey(NamedTuple):
    reservation_id: str


NEWEST_FIRST = Keyset("reservations", _ReservationKey)


ReservationId = Annotated[
    str,
    Path(
        description="Reservation id. A malformed value is answered 404, like an unknown one.",
        examples=["RSV-1762274285982"],
        json_schema_extra={"pattern": f"^{RESERVATION_ID_PATTERN}$"},
    ),
]


class ReserveRequest(RequestModel):
    """Product, quantity and expiry of a reservation."""

    # One example of the whole request, so that the docs page can send it. It has no expiry time: a fixed time would pass.
    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": 106, "quantity": 50}]})

    product_id: int = Field(
        ge=-(2**63),
        le=2**63 - 1,
        description="Package product ID, a 64-bit integer",
        examples=[106],
        json_schema_extra={"format": "int64"},
    )
    quantity: int = Field(ge=1, le=QUANTITY_MAX, description="Number of tickets to reserve", examples=[50])
    expires_at: Moment | None = Field(
        default=None,
        description="Expiry time in RFC 3339, later than now. The operator sets a limit for you, "
        f"{RESERVATION_HOURS_DEFAULT // 24} days by default. Without this field the reservation expires after "
        f"{HOLD_DEFAULT // timedelta(hours=1)} hours, or at the limit if this is earlier.",
        examples=["2025-11-05T08:40:00Z"],
    )


class ReservationAnswer(AnswerModel):
    """Current state of a reservation."""

    reservation_id: str = Field(examples=["RSV-1762274285982"])
    product_id: int = Field(examples=[106])
    quantity: int = Field(description="Number of tickets reserved", examples=[50])
    taken: int = Field(description="Number of these that batches have taken", examples=[20])
    held: int = Field(description="Number of these that are still held; 0 after its end", examples=[30])
    status: ReservationStatus = Field(
        description="State of the reservation. USED_UP: batches have taken all of it."
    )
    expires_at: Timestamp
    created_at: Timestamp


class ReservationList(AnswerModel):
    """Page of reservations, newest first."""

    items: list[ReservationAnswer]
    next: str | None = Field(
        description=NEXT,
        examples=["WyJyZXNlcnZhdGlvbnMiXQ"],
    )


def _reply(reservation: Reservation) -> Reply:
    answer = ReservationAnswer(**asdict(reservation))
    return Reply(answer, replayed=reservation.replayed)


@router.post(
    "/api/ota/reservations",
    status_code=201,
    summary="Reserve stock",
    description=(
        "Reserve stock of your channel. The reservation ends when it expires, when you release it, or "
        "when batches have taken all of it. A batch that names the reservation takes its stock from it."
    ),
    response_description="Stock reserved",
    responses=documented(ProductUnknown, StockShort, QuotaReached, IdempotencyKeyReused),
    response_model=ReservationAnswer,
)
async def reserve(
    call: Annotated[Call, partner_with("inventory:reserve")],
    body: ReserveRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Reserve stock of your channel."""
    request = ReservationRequest(call.caller, call.request_id, **dict(body), idempotency_key=idempotency_key)
    return _reply(await call.use(Reservations).reserve(request))


@router.get(
    "/api/ota/reservations",
    summary="List reservations",
    description="Return your reservations, newest first, including those that have ended.",
    response_description="Page of reservations",
    responses={200: {"headers": LINK_HEADER}},
    response_model=ReservationList,
)
async def reservations(
    call: Annotated[Call, partner_with("inventory:reserve")],
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Return your reservations, newest first, including those that have ended."""
    (after_reservation_id,) = NEWEST_FIRST.after(cursor) or (None,)
    rows = await call.use(Reservations).newest(call.caller, limit + 1, after_reservation_id)
    page, next_cursor = NEWEST_FIRST.page(rows, limit)
    answer = ReservationList(items=[ReservationAnswer(**asdict(row)) for row in page], next=next_cursor)
    return Reply(answer, link_to_next(call.scope, next_cursor))


@router.get(
    "/api/ota/reservations/{reservation_id}",
    summary="Get a reservation",
    description="Return the current state of a reservation.",
    response_description="The reservation",
    responses=documented(ReservationUnknown),
)
async def reservation(
    call: Annotated[Call, partner_with("inventory:reserve")], reservation_id: ReservationId
) -> ReservationAnswer:
    """Return the current state of a reservation."""
    return ReservationAnswer(**asdict(await call.use(Reservations).one(call.caller, reservation_id)))


@router.delete(
    "/api/ota/reservations/{reservation_id}",
    summary="Release a reservation",
    description=(
        "Release the stock that a reservation still holds. Tickets of its batches do not change.\n\n"
        "Idempotent: a second release gets the same response. A reservation that has expired or has no "
        "held stock left is refused."
    ),
    response_description="The released reservation",
    responses=documented(ReservationUnknown, ReservationEnded, IdempotencyKeyReused, ResultArchived),
    response_model=ReservationAnswer,
)
async def release_reservation(
    call: Annotated[Call, partner_with("inventory:reserve")],
    reservation_id: ReservationId,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Release the stock that a reservation still holds."""
    request = ReleaseRequest(call.caller, call.request_id, reservation_id, idempotency_key)
    return _reply(await call.use(Reservations).release(request))
