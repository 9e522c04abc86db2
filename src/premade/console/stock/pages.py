"""Stock: the list of products, and the page of one."""

from dataclasses import dataclass

from starlette.responses import Response

from premade.catalog.product import Product, page_of_products
from premade.console.lists import ListAddress, Pager
from premade.console.routing import Page, StaffRequest
from premade.console.stock.names_form import shown_names
from premade.console.stock.product_form import ProductForm
from premade.console.stock.products import PRODUCTS, STOCK, product_of_path, shown
from premade.staff.role import Right
from premade.stock.allotment import list_allotments
from premade.stock.allotment_sql import ListedAllotment
from premade.stock.hold import HOLDS_SHOWN_MAX, holds_of_product
from premade.stock.hold_sql import HoldRow
from premade.texts.translation import Text, lazy

PRODUCTS_A_PAGE = 20
SEARCH_CHARACTERS_MAX = 200
_DONE = {
    "added": lazy("Added. Allot stock to a channel, and its partners can sell the product."),
    "changed": lazy("Saved."),
    "allotment": lazy("Saved. The channel's partners see it at once."),
    "released": lazy("Released. The held tickets are available again."),
}


@dataclass(frozen=True)
class _StockPage:
    products: list[Product]
    allotments: dict[int, list[ListedAllotment]]
    searched: str
    search_characters_max: int
    pager: Pager


async def _stock(request: StaffRequest) -> Response:
    searched, cursor = request.query("find")[:SEARCH_CHARACTERS_MAX], request.query("cursor") or None
    products, following = await page_of_products(request.database, searched, PRODUCTS_A_PAGE, cursor)
    ids = [product.product_id for product in products]
    allotments: dict[int, list[ListedAllotment]] = {product_id: [] for product_id in ids}
    for row in await list_allotments(request.database, request.runtime, ids):
        allotments[row.product_id].append(row)
    return request.page(
        "stock/stock.html",
        _StockPage(
            products=products,
            allotments=allotments,
            searched=searched,
            search_characters_max=SEARCH_CHARACTERS_MAX,
            pager=ListAddress(STOCK, {"find": searched}).pager(request, following),
        ),
    )


@dataclass(frozen=True)
class _ProductPage:
    product: Product
    allotments: list[ListedAllotment]
    holds: list[HoldRow]
    is_cut: bool
    holds_shown_max: int
    fields: list[tuple[Text, str]]
    done: Text | None


async def _product(request: StaffRequest) -> Response:
    product = await product_of_path(request)
    holds = await holds_of_product(request.database, request.runtime, product.product_id)
    return request.page(
        "stock/product.html",
        _ProductPage(
            product=product,
            allotments=await list_allotments(request.database, request.runtime, [product.product_id]),
            holds=holds,
            is_cut=len(holds) == HOLDS_SHOWN_MAX,
            holds_shown_max=HOLDS_SHOWN_MAX,
            fields=_shown_fields(product),
            done=_DONE.get(request.own_link_param("done")),
        ),
    )


def _shown_fields(product: Product) -> list[tuple[Text, str]]:
    """Return label and value of the fields that the page lists."""
    texts, inputs = shown(product), ProductForm.inputs()
    names = ("price", "entitles", "usable_days", "usable_until", "cancellation")
    return [*shown_names(product.names), *((inputs[name].label, texts[name]) for name in names)]


PAGES = [
    Page(STOCK, _stock, right=Right.SEE_STOCK),
    Page(f"{PRODUCTS}/{{product_id}}", _product, right=Right.SEE_STOCK),
]
