"""`GET /api/ota/batches`, and one of them."""

from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from premade.batches.batch import BATCH_ID_PATTERN, BatchStatus, BatchUnknown, batch_status, checked_batch_id
from premade.batches.lookup import batch_of, list_batches
from premade.batches.lookup_sql import BatchRow, ListedBatch
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
from premade.postgres.keyset import ROWS_READ_MAX
from premade.postgres.statements import columns_of

router = partner_router("OTA Integration")

BatchId = Annotated[
    str,
    Path(
        description="Batch id. A malformed value is answered 404, like an unknown one.",
        examples=["BATCH_2025_Q1_001"],
        json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"},
    ),
]
BatchIdFilter = Annotated[
    str | None,
    Query(description="Only tickets of this batch", json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"}),
    optional(checked_batch_id),
]


class TicketCounts(AnswerModel):
    """Number of tickets by state."""

    pre_generated: int = Field(examples=[30])
    active: int = Field(examples=[15])
    used: int = Field(examples=[5])
    expired: int = Field(examples=[0])
    cancelled: int = Field(examples=[0])


class BatchAnswer(AnswerModel):
    """Batch with the current number of its tickets by state."""

    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    product_id: int = Field(examples=[106])
    quantity: int = Field(description="Number of tickets requested", examples=[50])
    status: BatchStatus = Field(
        description="MADE: all tickets are generated. MAKING: the operator is generating a large batch. STOPPED: the "
        "generation of a large batch ended before its last ticket.",
        examples=["MADE"],
    )
    made: int = Field(description="Number of tickets generated so far, in any state", examples=[50])
    tickets: TicketCounts
    price: Money = Field(description="Price of one ticket")
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    valid_until: date | None = Field(description="Last day of sale", examples=["2099-03-31"])
    usable_days: int | None = Field(
        description="Number of days after the day of activation on which a ticket can be used; null if not limited this way",
        examples=[30],
    )
    usable_until: date | None = Field(
        description="Fixed last day of use, independent of the activation; null if there is none",
        examples=["2099-12-31"],
    )
    reservation_id: str | None = Field(
        description="Reservation that provided the stock; null if none", examples=["RSV-1762274285982"]
    )
    metadata: dict[str, Any] | None = Field(examples=[{"campaign": "spring"}])
    created_at: Timestamp


class BatchesAnswer(AnswerModel):
    """Page of batches."""

    items: list[BatchAnswer]
    next: str | None = Field(description=NEXT, examples=["WyJiYXRjaGVzIiwi4oCmIl0"])


@router.get(
    "/api/ota/batches",
    summary="List batches",
    description="Return the partner's batches, newest first, each with the number of its tickets by state.\n\nA page "
    f"ends when its batches have {ROWS_READ_MAX:,} tickets, so it may be short: continue until `next` is null.",
    response_description="Page of batches",
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
    """Return a page of batches. The description above is the public text."""
    created = (created_from, created_before)
    rows, next_cursor = await list_batches(call.database, call.caller.partner_id, created, limit, cursor)
    answer = BatchesAnswer(items=[_answer(row) for row in rows], next=next_cursor)
    return Reply(answer, link_to_next(call.scope, next_cursor))


@router.get(
    "/api/ota/batches/{batch_id}",
    summary="Get a batch",
    description=(
        "Return a batch with the current number of its tickets by state.\n\n"
        "`GET /api/ota/tickets?batch_id=…` lists its tickets."
    ),
    response_description="The batch",
    responses=documented(BatchUnknown),
)
async def batch(call: Annotated[Call, partner_with("tickets:read")], batch_id: BatchId) -> BatchAnswer:
    """Return a batch with the current number of its tickets by state."""
    return _answer(await batch_of(call.database, call.caller.partner_id, batch_id))


def _answer(row: BatchRow | ListedBatch) -> BatchAnswer:
    to_make, unmade = row.to_make, row.unmade
    columns = columns_of(row)
    return BatchAnswer(
        **columns,
        status=batch_status(to_make, unmade),
        made=row.quantity - to_make - unmade,
        tickets=TicketCounts(**columns),
    )
