"""`GET /api/ota/orders/{order_id}`."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from premade.base.problems import documented
from premade.base.values import AnswerModel, Money, Timestamp
from premade.orders.lookup import OrderUnknown, order_of
from premade.partners.call import Call, partner_router, partner_with

router = partner_router("OTA Integration")

OrderId = Annotated[
    str,
    Path(
        description="The order id. One that is malformed is answered like one that is unknown: 404.",
        examples=["ORD-1762274304824"],
        json_schema_extra={"pattern": "^ORD-[0-9]{13}$"},
    ),
]


class OrderAnswer(AnswerModel):
    """An order as it is now."""

    order_id: str = Field(examples=["ORD-1762274304824"])
    status: Literal["CONFIRMED", "PARTLY_CANCELLED", "CANCELLED"]
    ticket_codes: list[str] = Field(examples=[["CRUISE-2025-FERRY-1762274285982"]])
    customer_name: str = Field(examples=["John Smith"])
    customer_email: str = Field(examples=["john.smith@example.com"])
    customer_phone: str = Field(description="In E.164", examples=["+1234567890"])
    payment_reference: str = Field(examples=["PAY-OTA-2025-001"])
    total_amount: Money
    currency: str = Field(description="ISO 4217", examples=["HKD"])
    created_at: Timestamp


@router.get(
    "/api/ota/orders/{order_id}",
    summary="One order",
    response_description="The order",
    responses=documented(OrderUnknown),
)
async def order(call: Annotated[Call, partner_with("orders:read")], order_id: OrderId) -> OrderAnswer:
    """The order as it is now, with its tickets."""
    return OrderAnswer(**await order_of(call.database, call.caller.partner_id, order_id))
