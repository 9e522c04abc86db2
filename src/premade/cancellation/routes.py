"""`POST /api/ota/tickets/{code}/cancel` and `POST /api/ota/batches/{batch_id}/cancel`."""

from typing import Annotated, Literal

from pydantic import Field

from premade.batches.batch import BatchUnknown
from premade.batches.routes import BatchId
from premade.cancellation.cancel import Canceller, NotCancellable, ToCancel
from premade.cancellation.cancel_batch import BatchCanceller, BatchToCancel
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, IdempotencyKey, Timestamp
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.errors import IdempotencyKeyReused
from premade.tickets.lookup import TicketUnknown
from premade.tickets.reason import ReasonRequest
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.routes import TicketCode

router = partner_router("OTA Integration")


class CancelAnswer(AnswerModel):
    """The ticket as it was taken back."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["CANCELLED"] = "CANCELLED"
    cancelled_at: Timestamp
    reason: str = Field(examples=["The customer's plans changed"])
    order_id: str | None = Field(
        description="The order that the ticket was sold by; null when it was unsold",
        examples=["ORD-1762274304824"],
    )
    order_status: Literal["PARTLY_CANCELLED", "CANCELLED"] | None = Field(
        description="What became of the order: CANCELLED with the last of its tickets", examples=["CANCELLED"]
    )


class LeftAlone(AnswerModel):
    """Tickets of the batch that were not unused, by their state."""

    ACTIVE: int = Field(default=0, description="Sold", examples=[12])
    USED: int = Field(default=0, examples=[3])
    EXPIRED: int = Field(default=0, examples=[0])
    CANCELLED: int = Field(default=0, description="Cancelled before", examples=[1])


class CancelBatchAnswer(AnswerModel):
    """What was taken back of the batch, and what was not."""

    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    cancelled_at: Timestamp
    reason: str = Field(examples=["The customer's plans changed"])
    cancelled: int = Field(description="Tickets that this request took back", examples=[34])
    left_alone: LeftAlone
    unmade: int = Field(
        description="Tickets of a large batch that were not made yet, and now never will be", examples=[0]
    )


@router.post(
    "/api/ota/tickets/{code}/cancel",
    summary="Take a ticket back",
    response_description="Ticket cancelled; its stock is available again",
    response_model=CancelAnswer,
    responses=documented(
        TicketUnknown, TicketUsed, TicketCancelled, TicketExpired, NotCancellable, IdempotencyKeyReused
    ),
)
async def cancel_ticket(
    call: Annotated[Call, partner_with("tickets:cancel")],
    code: TicketCode,
    wanted: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """An unsold ticket can always be taken back, a sold one until its first use if the product allows it."""
    asked = ToCancel(call.caller, call.request_id, code, wanted.reason, idempotency_key)
    done = await call.use(Canceller).cancel(asked)
    answer = CancelAnswer.model_validate(
        {
            "ticket_code": done.ticket_code,
            "cancelled_at": done.cancelled_at,
            "reason": done.reason,
            "order_id": done.order_id,
            "order_status": done.order_status,
        }
    )
    return Reply(answer, {"Idempotency-Replayed": "true"} if done.replayed else {})


@router.post(
    "/api/ota/batches/{batch_id}/cancel",
    summary="Take back all unused tickets of a batch",
    response_description="Unused tickets cancelled; their stock is available again",
    response_model=CancelBatchAnswer,
    responses=documented(BatchUnknown, IdempotencyKeyReused),
)
async def cancel_batch(
    call: Annotated[Call, partner_with("tickets:cancel")],
    batch_id: BatchId,
    wanted: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Takes back what is unsold and leaves the rest alone. A large batch takes some seconds; if the answer is
    lost or a 503, the same request with the same Idempotency-Key goes on from there.
    """
    asked = BatchToCancel(call.caller, call.request_id, batch_id, wanted.reason, idempotency_key)
    done = await call.use(BatchCanceller).cancel(asked)
    answer = CancelBatchAnswer(
        batch_id=done.batch_id,
        cancelled_at=done.cancelled_at,
        reason=done.reason,
        cancelled=done.cancelled,
        left_alone=LeftAlone(**done.left_alone),
        unmade=done.unmade,
    )
    return Reply(answer, {"Idempotency-Replayed": "true"} if done.replayed else {})
