"""`GET /api/ota/orders/{order_id}`."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel

from premade.base.problems import documented
from premade.base.values import Money, Timestamp
from premade.orders.lookup import OrderUnknown, order_of
from premade.partners.call import Call, partner_router, partner_with

router = partner_router("OTA Integration")

OrderId = Annotated[str, Path(description="The order id", examples=["ORD-1762274304824"])]


class OrderAnswer(BaseModel):
    """An order as it is now."""

    order_id: str
    status: Literal["CONFIRMED", "PARTLY_CANCELLED", "CANCELLED"]
    ticket_codes: list[str]
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    total_amount: Money
    currency: str
    created_at: Timestamp


@router.get("/api/ota/orders/{order_id}", summary="One order", responses=documented(OrderUnknown))
async def order(call: Annotated[Call, partner_with("orders:read")], order_id: OrderId) -> OrderAnswer:
    """The order as it is now, with its tickets."""
    return OrderAnswer(**await order_of(call.database, call.caller.partner_id, order_id))
