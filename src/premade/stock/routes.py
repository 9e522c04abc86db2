"""`GET /api/ota/inventory`."""

from typing import Annotated

from pydantic import Field

from premade.base.values import AnswerModel, Money
from premade.partners.call import Call, partner_router, partner_with
from premade.stock.allotment import inventory_of

router = partner_router("Inventory")


class Stock(AnswerModel):
    """What a partner's channel has of one product, in tickets."""

    product_id: int = Field(examples=[106])
    name: str = Field(examples=["Harbour Cruise Premium"])
    price: Money
    currency: str = Field(description="ISO 4217", examples=["HKD"])
    allotted: int = Field(description="Given to the channel", examples=[1000])
    issued: int = Field(description="Generated of that", examples=[150])
    held: int = Field(description="Held by live reservations", examples=[0])
    available: int = Field(description="allotted - issued - held: what a batch can have", examples=[850])


class Inventory(AnswerModel):
    """All products of the channel, by id."""

    items: list[Stock]
    next: str | None = Field(default=None, description="null: there is nothing beyond these")


@router.get("/api/ota/inventory", summary="Stock left, per product", response_description="The stock")
async def inventory(call: Annotated[Call, partner_with("inventory:read")]) -> Inventory:
    """What the partner's channel was allotted, what is issued and held of it, and what is available."""
    rows = await inventory_of(call.database, call.caller.partner_id)
    return Inventory(items=[Stock(**row) for row in rows])
