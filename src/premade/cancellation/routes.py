"""`POST …/cancel` of a ticket, an order and a batch."""

from typing import Annotated, Literal

from pydantic import Field

from premade.batches.batch import BatchUnknown
from premade.batches.routes import BatchId
from premade.cancellation.cancel import Canceller, CancelRequest, NotCancellable
from premade.cancellation.cancel_batch import BatchCanceller, CancelBatchRequest
from premade.cancellation.cancel_order import (
    CancelOrderRequest,
    OrderCancelled,
    OrderCanceller,
    OrderNotCancellable,
)
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, IdempotencyKey, Timestamp
from premade.http.problems import documented
from premade.orders.lookup import OrderUnknown
from premade.orders.routes import OrderId
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.errors import IdempotencyKeyReused, ResultArchived
from premade.tickets.lookup import TicketUnknown
from premade.tickets.reason import ReasonRequest
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.routes import TicketCode

router = partner_router("OTA Integration")


class CancelAnswer(AnswerModel):
    """Cancelled ticket."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["CANCELLED"] = "CANCELLED"
    cancelled_at: Timestamp
    reason: str = Field(examples=["The customer's plans changed"])
    order_id: str | None = Field(
        description="Order of the ticket; null if the ticket was unsold",
        examples=["ORD-1762274304824"],
    )
    order_status: Literal["PARTLY_CANCELLED", "CANCELLED"] | None = Field(
        description="State of the order after the cancellation; CANCELLED with its last ticket; null if the ticket was unsold",
        examples=["CANCELLED"],
    )


class CancelOrderAnswer(AnswerModel):
    """Cancelled order."""

    order_id: str = Field(examples=["ORD-1762274304824"])
    status: Literal["CANCELLED"] = "CANCELLED"
    cancelled_at: Timestamp
    reason: str = Field(examples=["The customer's plans changed"])
    ticket_codes: list[str] = Field(
        description="Tickets that this request cancelled. Other tickets of the order were cancelled before.",
        examples=[["CRUISE-2025-FERRY-1762274285982"]],
    )


class LeftAlone(AnswerModel):
    """Number of tickets that were not cancelled, by state."""

    ACTIVE: int = Field(default=0, description="Activated tickets", examples=[12])
    USED: int = Field(default=0, examples=[3])
    EXPIRED: int = Field(default=0, examples=[0])
    CANCELLED: int = Field(default=0, description="Tickets cancelled earlier", examples=[1])


class CancelBatchAnswer(AnswerModel):
    """Result of the cancellation of a batch."""

    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    cancelled_at: Timestamp
    reason: str = Field(examples=["The customer's plans changed"])
    cancelled: int = Field(description="Number of tickets that this request cancelled", examples=[34])
    left_alone: LeftAlone
    unmade: int = Field(
        description="Number of tickets of a large batch that will not be generated", examples=[0]
    )


@router.post(
    "/api/ota/tickets/{code}/cancel",
    summary="Cancel a ticket",
    description=(
        "Cancel a ticket. An unsold ticket can always be cancelled. A sold ticket can be cancelled until "
        "its first use, if the product allows it."
    ),
    response_description="Ticket cancelled; its stock is available again",
    response_model=CancelAnswer,
    responses=documented(
        TicketUnknown,
        TicketUsed,
        TicketCancelled,
        TicketExpired,
        NotCancellable,
        IdempotencyKeyReused,
        ResultArchived,
    ),
)
async def cancel_ticket(
    call: Annotated[Call, partner_with("tickets:cancel")],
    code: TicketCode,
    body: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Cancel a ticket."""
    request = CancelRequest(call.caller, call.request_id, code, body.reason, idempotency_key)
    result = await call.use(Canceller).cancel(request)
    answer = CancelAnswer.model_validate(
        {
            "ticket_code": result.ticket_code,
            "cancelled_at": result.cancelled_at,
            "reason": result.reason,
            "order_id": result.order_id,
            "order_status": result.order_status,
        }
    )
    return Reply(answer, replayed=result.replayed)


@router.post(
    "/api/ota/orders/{order_id}/cancel",
    summary="Cancel an order",
    description=(
        "Cancel all tickets of an order, or none. If a ticket is used, or its product allows no cancellation, the "
        "response names it and nothing is changed. Tickets that were cancelled before do not matter."
    ),
    response_description="Order cancelled; the stock of its tickets is available again",
    response_model=CancelOrderAnswer,
    responses=documented(
        OrderUnknown, OrderCancelled, OrderNotCancellable, IdempotencyKeyReused, ResultArchived
    ),
)
async def cancel_order(
    call: Annotated[Call, partner_with("tickets:cancel")],
    order_id: OrderId,
    body: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Cancel all tickets of an order, or none."""
    request = CancelOrderRequest(call.caller, call.request_id, order_id, body.reason, idempotency_key)
    result = await call.use(OrderCanceller).cancel(request)
    answer = CancelOrderAnswer(
        order_id=result.order_id,
        cancelled_at=result.cancelled_at,
        reason=result.reason,
        ticket_codes=result.ticket_codes,
    )
    return Reply(answer, replayed=result.replayed)


@router.post(
    "/api/ota/batches/{batch_id}/cancel",
    summary="Cancel all unused tickets of a batch",
    description=(
        "Cancel the unsold tickets of a batch and leave the others unchanged.\n\n"
        "A large batch takes some seconds. If the response is lost or is a 503, send the same request "
        "with the same Idempotency-Key to continue."
    ),
    response_description="Unused tickets cancelled; their stock is available again",
    response_model=CancelBatchAnswer,
    responses=documented(BatchUnknown, IdempotencyKeyReused, ResultArchived),
)
async def cancel_batch(
    call: Annotated[Call, partner_with("tickets:cancel")],
    batch_id: BatchId,
    body: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Cancel the unsold tickets of a batch and leave the others unchanged."""
    request = CancelBatchRequest(call.caller, call.request_id, batch_id, body.reason, idempotency_key)
    result = await call.use(BatchCanceller).cancel(request)
    answer = CancelBatchAnswer(
        batch_id=result.batch_id,
        cancelled_at=result.cancelled_at,
        reason=result.reason,
        cancelled=result.cancelled,
        left_alone=LeftAlone(**result.left_alone),
        unmade=result.unmade,
    )
    return Reply(answer, replayed=result.replayed)
