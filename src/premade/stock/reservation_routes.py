"""`/api/ota/reservations`."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field

from premade.catalog.product import ProductUnknown
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, IdempotencyKey, Moment, RequestModel, Timestamp
from premade.http.pagination import LINK_HEADER, NEXT, PAGE_ROWS_DEFAULT, CursorText, Limit, link_to_next
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.postgres.keyset import Keyset
from premade.runtime.errors import IdempotencyKeyReused
from premade.stock.allotment import StockShort
from premade.stock.reservation import (
    QUANTITY_MAX,
    RESERVATION_ID_PATTERN,
    Reservation,
    ReservationEnded,
    ReservationUnknown,
    Status,
)
from premade.stock.reserve import ReservationRequest, Reservations

router = partner_router("Inventory")

NEWEST_FIRST = Keyset("reservations", {"reservation_id": str})


ReservationId = Annotated[
    str,
    Path(
        description="The reservation id. One that is malformed is answered like one that is unknown: 404.",
        examples=["RSV-1762274285982"],
        json_schema_extra={"pattern": f"^{RESERVATION_ID_PATTERN}$"},
    ),
]


class ReserveRequest(RequestModel):
    """What to hold, and until when."""

    # As a whole, so that what is sent from the page works: no fixed time stays within the limit.
    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": 106, "quantity": 50}]})

    product_id: int = Field(
        ge=-(2**63),
        le=2**63 - 1,
        description="Package product ID, an integer of 64 bits",
        examples=[106],
        json_schema_extra={"format": "int64"},
    )
    quantity: int = Field(ge=1, le=QUANTITY_MAX, description="Number of tickets to hold", examples=[50])
    expires_at: Moment | None = Field(
        default=None,
        description="When the hold ends, by RFC 3339; later than now, and within the limit that the operator set "
        "for you (7 days unless told). 24 hours from now, or the limit if that is less, unless told.",
        examples=["2025-11-05T08:40:00Z"],
    )


class ReservationAnswer(AnswerModel):
    """A reservation as it is now."""

    reservation_id: str = Field(examples=["RSV-1762274285982"])
    product_id: int = Field(examples=[106])
    quantity: int = Field(description="Tickets that it was made for", examples=[50])
    taken: int = Field(description="Of these, made into tickets", examples=[20])
    held: int = Field(description="Of these, still held: 0 when it has ended", examples=[30])
    status: Status = Field(description="USED_UP: all of it was made into tickets")
    expires_at: Timestamp
    created_at: Timestamp


class ReservationList(AnswerModel):
    """Reservations, newest first."""

    items: list[ReservationAnswer]
    next: str | None = Field(
        description=NEXT,
        examples=["WyJyZXNlcnZhdGlvbnMiXQ"],
    )


def _reply(found: Reservation) -> Reply:
    answer = ReservationAnswer(**asdict(found))
    return Reply(answer, {"Idempotency-Replayed": "true"} if found.replayed else {})


@router.post(
    "/api/ota/reservations",
    status_code=201,
    summary="Hold stock for a while",
    response_description="The stock is held",
    responses=documented(ProductUnknown, StockShort, IdempotencyKeyReused),
    response_model=ReservationAnswer,
)
async def reserve(
    call: Annotated[Call, partner_with("inventory:reserve")],
    wanted: ReserveRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Holds stock of your channel until it expires, is released, or is made into tickets: a batch that names the
    reservation takes from it.
    """
    asked = ReservationRequest(**dict(wanted), idempotency_key=idempotency_key)
    return _reply(await call.use(Reservations).reserve(call.caller, call.request_id, asked))


@router.get(
    "/api/ota/reservations",
    summary="Your reservations",
    response_description="A page of them",
    responses={200: {"headers": LINK_HEADER}},
    response_model=ReservationList,
)
async def reservations(
    call: Annotated[Call, partner_with("inventory:reserve")],
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """All that you made, newest first, those that have ended included."""
    found = await call.use(Reservations).newest(call.caller, limit + 1, **NEWEST_FIRST.after(cursor))
    page, following = NEWEST_FIRST.page([asdict(one) for one in found], limit)
    answer = ReservationList(items=[ReservationAnswer(**row) for row in page], next=following)
    return Reply(answer, link_to_next(call.scope, following))


@router.get(
    "/api/ota/reservations/{reservation_id}",
    summary="One reservation",
    response_description="The reservation",
    responses=documented(ReservationUnknown),
)
async def reservation(
    call: Annotated[Call, partner_with("inventory:reserve")], reservation_id: ReservationId
) -> ReservationAnswer:
    """The reservation as it is now."""
    return ReservationAnswer(**asdict(await call.use(Reservations).one(call.caller, reservation_id)))


@router.delete(
    "/api/ota/reservations/{reservation_id}",
    summary="Release a reservation",
    response_description="The reservation, released now or before",
    responses=documented(ReservationUnknown, ReservationEnded, IdempotencyKeyReused),
    response_model=ReservationAnswer,
)
async def release_reservation(
    call: Annotated[Call, partner_with("inventory:reserve")],
    reservation_id: ReservationId,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Gives back what is still held; what was made into tickets stays. Once more is answered the same. One that
    expired or is used up is refused: there is nothing to release.
    """
    released = await call.use(Reservations).release(
        call.caller, call.request_id, reservation_id, idempotency_key
    )
    return _reply(released)
