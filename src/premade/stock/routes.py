"""`GET /api/ota/inventory` and `GET /api/ota/products`."""

import re
from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from premade.catalog.product import PRODUCT_ID_MAX, Cancellation
from premade.http.endpoint import Reply
from premade.http.fields import AnswerModel, Money
from premade.http.pagination import LINK_HEADER, NEXT, PAGE_ROWS_DEFAULT, CursorText, Limit, link_to_next
from premade.partners.call import Call, partner_router, partner_with
from premade.postgres.statements import columns_of
from premade.runtime.clock import Runtime
from premade.stock.allotment import inventory_of, products_of
from premade.texts.fields import field_text
from premade.texts.languages import LANGUAGES

router = partner_router("Inventory")

PRODUCT_IDS_MAX = 100
_TAGS = ", ".join(language.tag for language in LANGUAGES)
_PRODUCT_IDS = re.compile(rf"[0-9]{{1,19}}(?:,[0-9]{{1,19}}){{0,{PRODUCT_IDS_MAX - 1}}}")


class Stock(AnswerModel):
    """Stock of one product in the partner's channel, in tickets."""

    product_id: int = Field(examples=[106])
    name: str = Field(examples=["Harbour Cruise Premium"])
    price: Money
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    allotted: int = Field(description="Stock given to the channel", examples=[1000])
    issued: int = Field(
        description="Part of it in tickets, generated or still to be generated, that are neither cancelled nor expired",
        examples=[150],
    )
    held: int = Field(description="Part of it that active reservations hold", examples=[0])
    available: int = Field(description="Stock for new batches: allotted - issued - held", examples=[850])


class Inventory(AnswerModel):
    """Stock of the channel's products, by product id."""

    items: list[Stock]
    next: str | None = Field(default=None, description=NEXT)


def _product_ids(value: str | None) -> str | None:
    if value is None or (
        _PRODUCT_IDS.fullmatch(value)
        and all(int(product_id) <= PRODUCT_ID_MAX for product_id in value.split(","))
    ):
        return value
    raise ValueError(field_text("product.ids", most=PRODUCT_IDS_MAX))


ProductIds = Annotated[
    str | None,
    Query(
        description=f"Only these products: 1 to {PRODUCT_IDS_MAX} ids, separated by commas. Products that your channel does not "
        "have are omitted.",
        examples=["106,107"],
        json_schema_extra={"pattern": f"^{_PRODUCT_IDS.pattern}$"},
    ),
    AfterValidator(_product_ids),
]


@router.get(
    "/api/ota/inventory",
    summary="List the stock of each product",
    description=(
        "Return the allotted, issued, held and available stock of the partner's channel, current to the "
        "second."
    ),
    response_description="Page of stock",
    responses={200: {"headers": LINK_HEADER}},
    response_model=Inventory,
)
async def inventory(
    call: Annotated[Call, partner_with("inventory:read")],
    product_ids: ProductIds = None,
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Return the allotted, issued, held and available stock of the partner's channel, current to the second."""
    only = None if product_ids is None else [int(product_id) for product_id in product_ids.split(",")]
    rows, next_cursor = await inventory_of(
        call.database, call.use(Runtime), call.caller.partner_id, only, limit, cursor
    )
    answer = Inventory(items=[Stock(**columns_of(row)) for row in rows], next=next_cursor)
    return Reply(answer, link_to_next(call.scope, next_cursor))


class Function(AnswerModel):
    """Function of a product, with its number of uses."""

    function_code: str = Field(examples=["ferry"])
    uses: int = Field(examples=[2])
    names: dict[str, str] = Field(
        description=f"Name of the function by language: {_TAGS}", examples=[{"zh-Hant": "渡輪"}]
    )


class ProductAnswer(AnswerModel):
    """Product, as the next batch would use it."""

    product_id: int = Field(examples=[106])
    name: str = Field(examples=["Harbour Cruise Premium"])
    names: dict[str, str] = Field(
        description=f"Name of the product by language: {_TAGS}. Without one, show `name`",
        examples=[{"zh-Hant": "維港遊"}],
    )
    ticket_type: str = Field(description="Type in its ticket codes", examples=["FERRY"])
    code_prefix: str = Field(description="Prefix of its ticket codes", examples=["CRUISE"])
    price: Money = Field(description="Price of one ticket")
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    functions: list[Function]
    usable_days: int | None = Field(
        description="Number of days after the day of activation on which a ticket can be used; null if not limited this way",
        examples=[30],
    )
    usable_until: date | None = Field(
        description="Fixed last day of use, independent of the activation; null if there is none",
        examples=["2099-12-31"],
    )
    cancellation: Cancellation = Field(description="Until when a sold ticket can be cancelled")


class ProductsAnswer(AnswerModel):
    """Page of products, by id."""

    items: list[ProductAnswer]
    next: str | None = Field(description=NEXT, examples=["WyJwcm9kdWN0cyIsMTA2XQ"])


@router.get(
    "/api/ota/products",
    summary="List products",
    description=(
        "Return the products with an allotment in the partner's channel, with the data that a shop needs "
        "to show them."
    ),
    response_description="Page of products",
    responses={200: {"headers": LINK_HEADER}},
    response_model=ProductsAnswer,
)
async def products(
    call: Annotated[Call, partner_with("inventory:read")],
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Return the products with an allotment in the partner's channel, with the data that a shop needs to show them."""
    rows, next_cursor = await products_of(call.database, call.caller.partner_id, limit, cursor)
    answer = ProductsAnswer(items=[ProductAnswer(**columns_of(row)) for row in rows], next=next_cursor)
    return Reply(answer, link_to_next(call.scope, next_cursor))
