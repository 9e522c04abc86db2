"""Stock: products, what each channel has of them, and who holds it. A change is shown before it is saved."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.batches.lookup import made_of_product
from premade.catalog.product import (
    DEFAULT_CODE_PREFIX,
    Cancellation,
    Product,
    ProductChangedMeanwhile,
    ProductIdTaken,
    ProductUnknown,
    add_product,
    change_product,
    page_of_products,
    product_id_taken,
    product_of,
)
from premade.catalog.typed import FIELDS, as_typed, read_fields
from premade.console.addresses import HOME, go_to
from premade.console.forms import by_field
from premade.console.rendering import in_money
from premade.console.routing import Page, StaffRequest
from premade.partners.keyring import OnBehalf
from premade.partners.partner import list_channels
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.stock.allotment import (
    AllotmentBelowIssued,
    AllotmentChangedMeanwhile,
    Seen,
    list_allotments,
    plan_allotment,
    set_allotment,
)
from premade.stock.hold import HOLDS_SHOWN_MAX, hold_to_release, holds_of_product
from premade.stock.reserve import Reservations
from premade.values.currency import DECIMALS, amount_text, decimals_phrase
from premade.values.operator_input import plain_number, whole_number
from premade.values.texts import cleaned

STOCK = f"{HOME}/stock"
PRODUCTS = f"{STOCK}/products"
PRODUCTS_A_PAGE = 20
SOUGHT_CHARACTERS_MAX = 200
_WAS = "was."
"""Before the name of a field: what it said when the form was first shown, so that only what was typed is changed."""
_DONE = {
    "added": "Added. Give a channel stock of it, and its partners can sell it.",
    "changed": "Saved.",
    "allotment": "Saved. The channel's partners see it at once.",
    "released": "Released. What was held is available again.",
}
_KEPT = {
    "price": "price",
    "currency": "currency",
    "entitles": "functions",
    "usable_days": "validity",
    "usable_until": "validity",
}
"""What a batch keeps as it was when it was made, by the field."""
_LABELS = {
    "name": "Name",
    "price": "Price",
    "currency": "Currency",
    "entitles": "Functions",
    "usable_days": "Days of use after activation",
    "usable_until": "Last day of use",
    "cancellation": "Cancellation of sold tickets",
    "type": "Ticket type",
    "prefix": "Prefix",
}
CANCELLATIONS = {
    Cancellation.UNTIL_FIRST_USE: "until the first use",
    Cancellation.NEVER: "never",
}


async def _stock(request: StaffRequest) -> Response:
    sought, cursor = request.query("find")[:SOUGHT_CHARACTERS_MAX], request.query("cursor") or None
    products, following = await page_of_products(request.database, sought, PRODUCTS_A_PAGE, cursor)
    ids = [product.product_id for product in products]
    allotments: dict[int, list[dict[str, Any]]] = {product_id: [] for product_id in ids}
    for row in await list_allotments(request.database, request.runtime, ids):
        allotments[row["product_id"]].append(row)
    first = f"{STOCK}?{urlencode({'find': sought})}" if sought else STOCK
    return request.page(
        "stock/stock.html",
        products=products,
        allotments=allotments,
        sought=sought,
        sought_characters_max=SOUGHT_CHARACTERS_MAX,
        is_first=cursor is None,
        first_page=first,
        next_page=following and f"{STOCK}?{urlencode({'find': sought, 'cursor': following})}",
    )


async def _product_of_path(request: StaffRequest) -> Product:
    product_id = plain_number(request.path_param("product_id"))
    if product_id is None:
        raise HTTPException(404)
    return await product_of(request.database, product_id)


async def _product(request: StaffRequest) -> Response:
    product = await _product_of_path(request)
    holds = await holds_of_product(request.database, request.runtime, product.product_id)
    return request.page(
        "stock/product.html",
        product=product,
        allotments=await list_allotments(request.database, request.runtime, [product.product_id]),
        holds=holds,
        is_cut=len(holds) == HOLDS_SHOWN_MAX,
        holds_shown_max=HOLDS_SHOWN_MAX,
        cancellations=CANCELLATIONS,
        done=_DONE.get(request.own_link_param("done")),
    )


async def _new(request: StaffRequest) -> Response:
    blank = dict.fromkeys(FIELDS, "")
    typed = {**blank, "prefix": DEFAULT_CODE_PREFIX, "cancellation": str(Cancellation.UNTIL_FIRST_USE)}
    return _form(request, None, typed, {})


async def _change(request: StaffRequest) -> Response:
    product = await _product_of_path(request)
    typed = as_typed(product)
    return _form(request, product, typed, typed)


def _form(
    request: StaffRequest,
    product: Product | None,
    typed: dict[str, str],
    was: dict[str, str],
    wrong: dict[str, str] | None = None,
    *,
    status: int = 200,
    is_same: bool = False,
) -> Response:
    return request.page(
        "stock/product_form.html",
        status,
        product=product,
        typed=typed,
        was={f"{_WAS}{field}": text for field, text in was.items()},
        wrong=wrong or {},
        price_hint=_price_hint(typed["currency"]),
        is_same=is_same,
        cancellations=CANCELLATIONS,
    )


def _price_hint(currency: str) -> str:
    """Say how many decimals a price has in the currency that the form names."""
    code = cleaned(currency).upper()
    if code not in DECIMALS:
        return "With the decimals of its currency: 288.00 HKD, 288 JPY or 1.234 KWD."
    return f"Such as {amount_text(Decimal(288), code)}: {decimals_phrase(code)}."


def _typed(request: StaffRequest) -> tuple[dict[str, str], dict[str, str]]:
    """What the form says in each field, and what it said at first."""
    form = request.form
    typed = {field: form.get(field, "") for field in FIELDS}
    return typed, {field: form[f"{_WAS}{field}"] for field in FIELDS if f"{_WAS}{field}" in form}


async def _new_sent(request: StaffRequest) -> Response:
    typed, _ = _typed(request)
    if request.form.get("step") == "edit":
        return _form(request, None, typed, {})
    try:
        product = Product(**read_fields(typed))
        product.check_new(request.runtime.today())
        if request.form.get("step") == "save":
            return await _add(request, product)
        await _require_free(request, product.product_id)
    except Invalid as error:
        return _form(request, None, typed, {}, by_field(error.errors), status=400)
    except ProductIdTaken:
        wrong = {"id": f"There is a product {cleaned(typed['id'])} already"}
        return _form(request, None, typed, {}, wrong, status=409)
    return request.page(
        "stock/product_preview.html",
        product=product,
        is_new=True,
        year=request.runtime.today().year,
        typed=typed,
        was={},
        cancellations=CANCELLATIONS,
    )


async def _add(request: StaffRequest, product: Product) -> Response:
    """Sent twice, it is added once. ProductIdTaken when anything of the product that is there is another."""
    try:
        await add_product(request.database, request.runtime, product, actor=request.member.actor)
    except ProductIdTaken:
        if (await product_of(request.database, product.product_id)).mark != product.mark:
            raise
    return go_to(f"{PRODUCTS}/{product.product_id}?done=added")


async def _require_free(request: StaffRequest, product_id: int) -> None:
    try:
        await product_of(request.database, product_id)
    except ProductUnknown:
        return
    raise product_id_taken(product_id)


async def _change_sent(request: StaffRequest) -> Response:
    product = await _product_of_path(request)
    typed, was = _typed(request)
    # Whatever the form says: a product keeps its id.
    typed["id"] = was["id"] = str(product.product_id)
    if request.form.get("step") == "edit":
        return _form(request, product, typed, was)
    try:
        changes = read_fields({field: text for field, text in typed.items() if text != was.get(field)})
        after = replace(product, **changes)
        after.check()
    except Invalid as error:
        return _form(request, product, typed, was, by_field(error.errors), status=400)
    is_overtaken = False
    if request.form.get("step") == "save":
        try:
            await change_product(
                request.database,
                request.runtime,
                product.product_id,
                seen=request.form.get("seen", ""),
                actor=request.member.actor,
                **changes,
            )
        except ProductChangedMeanwhile:
            product = await product_of(request.database, product.product_id)
            after, is_overtaken = replace(product, **changes), True
        else:
            return go_to(f"{PRODUCTS}/{product.product_id}?done=changed")
    if after == product:
        return _form(request, product, typed, was, is_same=True)
    return await _preview(request, product, after, (typed, was), is_overtaken=is_overtaken)


async def _preview(
    request: StaffRequest,
    product: Product,
    after: Product,
    texts: tuple[dict[str, str], dict[str, str]],
    *,
    is_overtaken: bool,
) -> Response:
    typed, was = texts
    return request.page(
        "stock/product_preview.html",
        409 if is_overtaken else 200,
        product=product,
        is_new=False,
        changes=_changes(product, after),
        is_over=after.is_over(request.runtime.today()),
        made=await made_of_product(request.database, product.product_id),
        is_overtaken=is_overtaken,
        typed=typed,
        was={f"{_WAS}{field}": text for field, text in was.items()},
    )


def _changes(before: Product, after: Product) -> list[dict[str, str]]:
    """Each field that becomes another: its label, what it says before and after, and what batches keep of it."""
    old, new = _shown(before), _shown(after)
    return [
        {
            "field": field,
            "label": label,
            "before": old[field] or "none",
            "after": new[field] or "none",
            "kept": _KEPT.get(field, ""),
        }
        for field, label in _LABELS.items()
        if old[field] != new[field]
    ]


def _shown(product: Product) -> dict[str, str]:
    return {
        **as_typed(product),
        "price": in_money(product.price, product.currency),
        "entitles": ", ".join(f"{uses} {code}" for code, uses in product.functions.items()),
        "cancellation": CANCELLATIONS[product.cancellation],
    }


async def _allotment(request: StaffRequest) -> Response:
    product = await _product_of_path(request)
    channel = request.query("channel")
    allotted = {row["channel"]: row["allotted"] for row in await _allotments(request, product)}
    typed = str(allotted[channel]) if channel in allotted else ""
    return await _allotment_form(request, product, channel, typed, {})


async def _allotments(request: StaffRequest, product: Product) -> list[dict[str, Any]]:
    return await list_allotments(request.database, request.runtime, [product.product_id])


async def _allotment_form(
    request: StaffRequest,
    product: Product,
    channel: str,
    typed: str,
    wrong: dict[str, str],
    status: int = 200,
) -> Response:
    allotments = {row["channel"]: row for row in await _allotments(request, product)}
    channels = [each for each in await list_channels(request.database) if each["channel"] not in allotments]
    return request.page(
        "stock/allotment_form.html",
        status,
        product=product,
        before=allotments.get(channel),
        channel=channel,
        channels=channels,
        typed={"quantity": typed},
        wrong=wrong,
    )


async def _allotment_sent(request: StaffRequest) -> Response:
    product = await _product_of_path(request)
    channel, typed = request.form.get("channel", ""), request.form.get("quantity", "")
    if request.form.get("step") == "edit":
        return await _allotment_form(request, product, channel, typed, {})
    try:
        return await _weigh_allotment(request, product, channel, typed)
    except Invalid as error:
        return await _allotment_form(request, product, channel, typed, by_field(error.errors), 400)
    except AllotmentBelowIssued as error:
        return await _allotment_form(request, product, channel, typed, {"quantity": error.detail}, 409)


async def _weigh_allotment(request: StaffRequest, product: Product, channel: str, typed: str) -> Response:
    """Saves it when it was shown before as it is; otherwise shows what it would do. Sent twice, it is saved once."""
    if channel not in {each["channel"] for each in await list_channels(request.database)}:
        raise Invalid([FieldError("channel", "Choose a channel")])
    quantity, is_overtaken = whole_number(typed, "quantity"), False
    saved = f"{PRODUCTS}/{product.product_id}?done=allotment"
    if request.form.get("step") == "save":
        try:
            await set_allotment(
                request.database,
                request.runtime,
                product.product_id,
                channel,
                quantity,
                seen=_seen(request),
                actor=request.member.actor,
            )
        except AllotmentChangedMeanwhile:
            is_overtaken = True
        else:
            return go_to(saved)
    plan = await plan_allotment(request.database, request.runtime, product.product_id, channel, quantity)
    if plan.seen.allotted == quantity:
        if is_overtaken:
            return go_to(saved)
        raise Invalid([FieldError("quantity", f"It is {quantity:,} already")])
    return request.page(
        "stock/allotment_preview.html",
        409 if is_overtaken else 200,
        product=product,
        channel=channel,
        plan=plan,
        is_overtaken=is_overtaken,
    )


def _seen(request: StaffRequest) -> Seen:
    given = request.form.get("seen", "")
    return Seen(whole_number(given, "seen") if given else None)


async def _release(request: StaffRequest) -> Response:
    hold = await hold_to_release(request.database, request.runtime, request.path_param("reservation_id"))
    return request.page(
        "stock/release.html", hold=hold, product=await product_of(request.database, hold["product_id"])
    )


async def _release_sent(request: StaffRequest) -> Response:
    hold = await hold_to_release(request.database, request.runtime, request.path_param("reservation_id"))
    whose = OnBehalf(hold["partner_id"], hold["channel"], request.member.actor)
    await request.use(Reservations).release(whose, request.request_id, hold["reservation_id"])
    return go_to(f"{PRODUCTS}/{hold['product_id']}?done=released")


_PRODUCT = f"{PRODUCTS}/{{product_id}}"
PAGES = [
    Page(STOCK, _stock, right=Right.SEE_STOCK),
    Page(f"{STOCK}/new", _new, _new_sent, Right.CHANGE_STOCK),
    Page(_PRODUCT, _product, right=Right.SEE_STOCK),
    Page(f"{_PRODUCT}/change", _change, _change_sent, Right.CHANGE_STOCK),
    Page(f"{_PRODUCT}/allotment", _allotment, _allotment_sent, Right.CHANGE_STOCK),
    Page(f"{STOCK}/reservations/{{reservation_id}}/release", _release, _release_sent, Right.CHANGE_STOCK),
]
