"""`POST /api/ota/batches/{batch_id}/activate` and `POST /api/ota/orders`: several tickets as one order."""

from collections import Counter
from datetime import date
from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, Field

from premade.activation.order import OrderMaker, Sold
from premade.activation.refusals import (
    BatchShort,
    CurrenciesDiffer,
    TicketsNotSellable,
    TicketsUnknown,
)
from premade.activation.routes import ActivateRequest
from premade.activation.sale import TICKETS_PER_ORDER_MAX, Draw, Selection
from premade.batches.batch import BatchUnknown
from premade.batches.routes import BatchId
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, IdempotencyKey, Money, Timestamp
from premade.http.problems import documented
from premade.orders import erased_customer
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.errors import IdempotencyKeyReused, ResultArchived
from premade.texts.fields import field_text
from premade.tickets.answers import Entitlement, QrCode, qr_of
from premade.tickets.refusals import TicketExpired

router = partner_router("OTA Integration")


def _each_once(codes: list[str]) -> list[str]:
    twice = [code for code, times in Counter(codes).items() if times > 1]
    if twice:
        raise ValueError(field_text("customer.tickets_repeated", tickets=", ".join(twice)))
    return codes


class DrawRequest(ActivateRequest):
    """Number of tickets, customer and payment of a draw."""

    quantity: int = Field(
        ge=1, le=TICKETS_PER_ORDER_MAX, description="Number of tickets to draw from the batch", examples=[2]
    )


class OrderRequest(ActivateRequest):
    """Tickets, customer and payment of an order."""

    ticket_codes: Annotated[
        list[str], Field(min_length=1, max_length=TICKETS_PER_ORDER_MAX), AfterValidator(_each_once)
    ] = Field(
        description="Ticket codes, each once. A malformed code is answered 404, like an unknown one.",
        examples=[["CRUISE-2025-FERRY-1762274285982"]],
        json_schema_extra={"uniqueItems": True},
    )


class SoldTicketAnswer(QrCode):
    """Activated ticket, ready for the customer."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["ACTIVE"] = "ACTIVE"
    entitlements: list[Entitlement]
    usable_until: date | None = Field(
        description="Last day of use in the operator's time zone; null if there is none",
        examples=["2099-12-31"],
    )


class SoldAnswer(AnswerModel):
    """Order of the activated tickets."""

    order_id: str = Field(examples=["ORD-1762274304824"])
    status: Literal["CONFIRMED"] = "CONFIRMED"
    tickets: list[SoldTicketAnswer]
    total_amount: Money = Field(description="Sum of the prices of the tickets at generation")
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    activated_at: Timestamp
    customer_name: str = Field(examples=["John Smith"])
    payment_reference: str = Field(examples=["PAY-OTA-2025-001"])
    customer_erased_at: Timestamp | None = Field(
        default=None,
        exclude_if=lambda moment: moment is None,
        description=erased_customer.EXPLAINED_TO_RETRIES,
    )


@router.post(
    "/api/ota/batches/{batch_id}/activate",
    summary="Draw tickets from a batch and activate them as one order",
    description=(
        "Activate the requested number of unused tickets of a batch as one order, all or none. The "
        "lowest codes come first."
    ),
    response_description="Tickets successfully activated as one order",
    response_model=SoldAnswer,
    responses=documented(BatchUnknown, BatchShort, TicketExpired, IdempotencyKeyReused, ResultArchived),
)
async def draw(
    call: Annotated[Call, partner_with("tickets:activate")],
    batch_id: BatchId,
    body: DrawRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Activate the requested number of unused tickets of a batch as one order, all or none."""
    request = Draw(**_sale(call, body, idempotency_key), batch_id=batch_id, quantity=body.quantity)
    return _reply(call, await call.use(OrderMaker).draw(request))


@router.post(
    "/api/ota/orders",
    summary="Activate several tickets as one order",
    description=(
        "Activate several tickets for one customer as one order, all or none.\n\n"
        "A refusal lists in `tickets` every ticket that cannot be activated. Each has the `code` and "
        "`detail` that a single activation of this ticket would get."
    ),
    response_description="Tickets successfully activated as one order",
    response_model=SoldAnswer,
    responses=documented(
        TicketsUnknown, TicketsNotSellable, CurrenciesDiffer, IdempotencyKeyReused, ResultArchived
    ),
)
async def make_order(
    call: Annotated[Call, partner_with("tickets:activate")],
    body: OrderRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Activate several tickets for one customer as one order, all or none."""
    request = Selection(**_sale(call, body, idempotency_key), ticket_codes=body.ticket_codes)
    return _reply(call, await call.use(OrderMaker).order(request))


class _SaleFields(TypedDict):
    partner_id: int
    actor: str
    request_id: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    idempotency_key: str | None


def _sale(call: Call, body: ActivateRequest, idempotency_key: str | None) -> _SaleFields:
    details = body.customer_details
    return {
        "partner_id": call.caller.partner_id,
        "actor": call.caller.actor,
        "request_id": call.request_id,
        "customer_name": details.name,
        "customer_email": details.email,
        "customer_phone": details.phone,
        "payment_reference": body.payment_reference,
        "idempotency_key": idempotency_key,
    }


def _reply(call: Call, sold: Sold) -> Reply:
    answer = SoldAnswer(
        order_id=sold.order_id,
        tickets=[
            SoldTicketAnswer(
                ticket_code=ticket.ticket_code,
                entitlements=[Entitlement(**entitlement) for entitlement in ticket.entitlements],
                usable_until=ticket.usable_until,
                **qr_of(ticket.token, is_test=call.caller.is_test),
            )
            for ticket in sold.tickets
        ],
        total_amount=sold.total_amount,
        currency=sold.currency,
        activated_at=sold.activated_at,
        customer_name=sold.customer_name,
        payment_reference=sold.payment_reference,
        customer_erased_at=sold.customer_erased_at,
    )
    return Reply(answer, replayed=sold.replayed)
