"""`GET /api/ota/orders`, and one of them."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, Money, Timestamp
from premade.http.pagination import (
    BOUNDED,
    LINK_HEADER,
    NEXT,
    PAGE_ROWS_DEFAULT,
    CreatedBefore,
    CreatedFrom,
    CursorText,
    Limit,
    link_to_next,
)
from premade.http.problems import documented
from premade.orders import erased_customer
from premade.orders.lookup import OrderFilter, OrderUnknown, list_orders, order_of
from premade.partners.call import Call, partner_router, partner_with
from premade.postgres.statements import columns_of
from premade.tickets.routes import PaymentReferenceFilter

router = partner_router("OTA Integration")

OrderId = Annotated[
    str,
    Path(
        description="Order id. A malformed value is answered 404, like an unknown one.",
        examples=["ORD-1762274304824"],
        json_schema_extra={"pattern": "^ORD-[0-9]{13}$"},
    ),
]


class OrderAnswer(AnswerModel):
    """Current state of an order."""

    order_id: str = Field(examples=["ORD-1762274304824"])
    status: Literal["CONFIRMED", "PARTLY_CANCELLED", "CANCELLED"]
    ticket_codes: list[str] = Field(examples=[["CRUISE-2025-FERRY-1762274285982"]])
    customer_name: str = Field(examples=["John Smith"])
    customer_email: str = Field(examples=["john.smith@example.com"])
    customer_phone: str = Field(description="Phone number in E.164", examples=["+1234567890"])
    payment_reference: str = Field(examples=["PAY-OTA-2025-001"])
    total_amount: Money
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    created_at: Timestamp
    customer_erased_at: Timestamp | None = Field(description=erased_customer.EXPLAINED)


class OrdersAnswer(AnswerModel):
    """Page of orders."""

    items: list[OrderAnswer]
    next: str | None = Field(description=NEXT, examples=["WyJvcmRlcnMiLCLigKYiXQ"])


@router.get(
    "/api/ota/orders",
    summary="List orders",
    description=f"Return the partner's orders, newest first.\n\n{BOUNDED}",
    response_description="Page of orders",
    responses={200: {"headers": LINK_HEADER}},
    response_model=OrdersAnswer,
)
async def orders(
    call: Annotated[Call, partner_with("orders:read")],
    payment_reference: PaymentReferenceFilter = None,
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Return a page of orders. The description above is the public text."""
    order_filter = OrderFilter(payment_reference, created_from, created_before)
    rows, next_cursor = await list_orders(call.database, call.caller.partner_id, order_filter, limit, cursor)
    answer = OrdersAnswer(items=[OrderAnswer(**columns_of(row)) for row in rows], next=next_cursor)
    return Reply(answer, link_to_next(call.scope, next_cursor))


@router.get(
    "/api/ota/orders/{order_id}",
    summary="Get an order",
    description="Return the current state of an order with its tickets.",
    response_description="The order",
    responses=documented(OrderUnknown),
)
async def order(call: Annotated[Call, partner_with("orders:read")], order_id: OrderId) -> OrderAnswer:
    """Return the current state of an order with its tickets."""
    return OrderAnswer(**columns_of(await order_of(call.database, call.caller.partner_id, order_id)))
