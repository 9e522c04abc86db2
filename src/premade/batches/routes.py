"""`GET /api/ota/batches`, and one of them."""

from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from premade.batches.batch import BATCH_ID_PATTERN, BatchStatus, BatchUnknown, batch_status, checked_batch_id
from premade.batches.lookup import batch_of, list_batches
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, Money, Timestamp
from premade.http.pagination import (
    LINK_HEADER,
    NEXT,
    PAGE_ROWS_DEFAULT,
    CreatedBefore,
    CreatedFrom,
    CursorText,
    Limit,
    link_to_next,
    optional,
)
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.postgres.keyset import ROWS_LOOKED_AT_MAX, Row

router = partner_router("OTA Integration")

BatchId = Annotated[
    str,
    Path(
        description="The batch_id. One that is malformed is answered like one that is unknown: 404.",
        examples=["BATCH_2025_Q1_001"],
        json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"},
    ),
]
BatchIdFilter = Annotated[
    str | None,
    Query(description="Of this batch", json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"}),
    optional(checked_batch_id),
]


class TicketCounts(AnswerModel):
    """How many tickets are in which state."""

    pre_generated: int = Field(examples=[30])
    active: int = Field(examples=[15])
    used: int = Field(examples=[5])
    expired: int = Field(examples=[0])
    cancelled: int = Field(examples=[0])


class BatchAnswer(AnswerModel):
    """A batch as it was made, and how many of its tickets are in which state now."""

    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    product_id: int = Field(examples=[106])
    quantity: int = Field(description="Tickets asked for", examples=[50])
    status: BatchStatus = Field(
        description="MADE: all its tickets are there; the operator makes large batches bit by bit, MAKING, and may stop "
        "before the end, STOPPED",
        examples=["MADE"],
    )
    made: int = Field(description="Tickets made of them by now, in whatever state they are", examples=[50])
    tickets: TicketCounts
    price: Money = Field(description="Of one ticket")
    currency: str = Field(description="ISO 4217", examples=["HKD"])
    valid_until: date | None = Field(description="The last day of sale", examples=["2099-03-31"])
    usable_days: int | None = Field(
        description="How many days after that of its activation a ticket can be used; null: not counted from there",
        examples=[30],
    )
    usable_until: date | None = Field(
        description="The last day on which a ticket can be used, whenever it was activated",
        examples=["2099-12-31"],
    )
    reservation_id: str | None = Field(
        description="Which reservation it was taken from", examples=["RSV-1762274285982"]
    )
    metadata: dict[str, Any] | None = Field(examples=[{"campaign": "spring"}])
    created_at: Timestamp


class BatchesAnswer(AnswerModel):
    """A page of batches."""

    items: list[BatchAnswer]
    next: str | None = Field(description=NEXT, examples=["WyJiYXRjaGVzIiwi4oCmIl0"])


@router.get(
    "/api/ota/batches",
    summary="The batches, in pages",
    description="The partner's batches, the newest first, each with its tickets by state.\n\nA page ends where its "
    f"batches have {ROWS_LOOKED_AT_MAX:,} tickets, so it may be short: go on until `next` is null.",
    response_description="A page of batches",
    responses={200: {"headers": LINK_HEADER}},
    response_model=BatchesAnswer,
)
async def batches(
    call: Annotated[Call, partner_with("tickets:read")],
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Says what the description above says."""
    created = (created_from, created_before)
    rows, following = await list_batches(call.database, call.caller.partner_id, created, limit, cursor)
    answer = BatchesAnswer(items=[_answer(row) for row in rows], next=following)
    return Reply(answer, link_to_next(call.scope, following))


@router.get(
    "/api/ota/batches/{batch_id}",
    summary="One batch",
    response_description="The batch",
    responses=documented(BatchUnknown),
)
async def batch(call: Annotated[Call, partner_with("tickets:read")], batch_id: BatchId) -> BatchAnswer:
    """The batch, with its tickets by state as they are now. `GET /api/ota/tickets?batch_id=…` lists them."""
    return _answer(await batch_of(call.database, call.caller.partner_id, batch_id))


def _answer(row: Row) -> BatchAnswer:
    to_make, unmade = row["to_make"], row["unmade"]
    return BatchAnswer(
        **row,
        status=batch_status(to_make, unmade),
        made=row["quantity"] - to_make - unmade,
        tickets=TicketCounts(**row),
    )
