"""`GET /api/ota/inventory`."""

from typing import Annotated

from pydantic import BaseModel

from premade.base.values import Money
from premade.partners.call import Call, partner_router, partner_with
from premade.stock.allotment import inventory_of

router = partner_router("Inventory")


class Stock(BaseModel):
    """What a partner's channel has of one product, in tickets."""

    product_id: int
    name: str
    price: Money
    currency: str
    allotted: int
    issued: int
    held: int
    available: int


class Inventory(BaseModel):
    """All products of the channel, by id."""

    items: list[Stock]
    next: None = None


@router.get("/api/ota/inventory", summary="Stock left, per product")
async def inventory(call: Annotated[Call, partner_with("inventory:read")]) -> Inventory:
    """What the partner's channel was allotted, what is issued and held of it, and what is available."""
    rows = await inventory_of(call.database, call.caller.partner_id)
    return Inventory(items=[Stock(**row) for row in rows])
