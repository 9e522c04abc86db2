"""Making a batch: a form, then a page that says what it would cost and leave, then the batch, which the service makes."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from premade.catalog.product import ProductUnknown
from premade.console.addresses import go_to
from premade.console.batches.pages import BATCHES, address_of, asked_partner_id
from premade.console.forms import FORM_BYTES_MAX
from premade.console.routing import Page, StaffRequest
from premade.generation.generate import (
    BatchIdTaken,
    BatchRequest,
    Estimate,
    Generator,
    ProductOver,
    checked_metadata,
)
from premade.generation.large import QUANTITY_MAX, LargeBatches, check
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.postgres.keyset import ROWS_LOOKED_AT_MAX
from premade.runtime.errors import DomainError, FieldError, Invalid
from premade.staff.role import Right
from premade.stock.allotment import StockShort, inventory_of
from premade.stock.reservation import ReservationEnded, ReservationTooSmall, ReservationUnknown
from premade.values.currency import amount_text
from premade.values.operator_input import day, plain_number, whole_number
from premade.values.texts import one_line

NEW = f"{BATCHES}/new"
FIELDS = ("product", "quantity", "batch", "valid_until", "reservation", "metadata")
_FIELD_OF = {
    "valid_until": "valid_until",
    "reservation_id": "reservation",
}
_FIELD_OF_REFUSAL: dict[type[DomainError], str] = {
    ProductUnknown: "product",
    ProductOver: "product",
    StockShort: "quantity",
    ReservationTooSmall: "quantity",
    BatchIdTaken: "batch",
    ReservationUnknown: "reservation",
    ReservationEnded: "reservation",
}


@dataclass(frozen=True)
class _Filled:
    """The form as it was filled in, for one partner."""

    partner: dict[str, Any]
    given: dict[str, str]

    def whose(self, request: StaffRequest) -> OnBehalf:
        return OnBehalf(self.partner["partner_id"], self.partner["channel"], request.member.actor)


async def _form(request: StaffRequest) -> Response:
    partners, partner_id = await partners_by_id(request.database), asked_partner_id(request)
    if partner_id is None:
        return request.page("batches/new_batch_partner.html", partners=partners)
    given = {name: request.query(name) for name in FIELDS}
    given["metadata"] = request.http.query_params.get("metadata", "")
    return await _show(request, _Filled(_chosen(partners, partner_id), given), 200, {})


def _chosen(partners: dict[int, dict[str, Any]], partner_id: int | None) -> dict[str, Any]:
    """Invalid when there is no such partner."""
    partner = partners.get(partner_id or 0)
    if partner is None:
        raise Invalid([FieldError("partner", "Must be the number of a partner")])
    return partner


async def _show(request: StaffRequest, filled: _Filled, status: int, wrong: dict[str, str]) -> Response:
    stock, _ = await inventory_of(
        request.database, request.runtime, filled.partner["partner_id"], None, ROWS_LOOKED_AT_MAX, None
    )
    return request.page(
        "batches/new_batch.html",
        status,
        partner=filled.partner,
        given=filled.given,
        stock=stock,
        wrong=wrong,
        quantity_max=QUANTITY_MAX,
        today=request.runtime.today(),
    )


async def _send(request: StaffRequest) -> Response:
    partner = _chosen(await partners_by_id(request.database), plain_number(request.form.get("partner", "")))
    given = {name: request.field(name) for name in FIELDS}
    filled = _Filled(partner, {**given, "metadata": request.form.get("metadata", "")})
    step = request.form.get("step", "")
    if step == "edit":
        return await _show(request, filled, 200, {})
    try:
        wanted = _wanted(filled.given)
    except Invalid as error:
        return await _show(request, filled, 400, _by_field(error.errors))
    try:
        if step == "make":
            return await _make(request, filled, wanted)
        return await _check(request, filled, wanted)
    except Invalid as error:
        return await _show(request, filled, 400, _by_field(error.errors))
    except tuple(_FIELD_OF_REFUSAL) as refusal:
        field = _FIELD_OF_REFUSAL[type(refusal)]
        return await _show(request, filled, 409, {field: _for_staff(refusal, wanted)})


async def _check(
    request: StaffRequest, filled: _Filled, wanted: BatchRequest, *, is_changed: bool = False
) -> Response:
    estimate = await request.use(Generator).estimate(filled.whose(request), wanted)
    stock, _ = await inventory_of(
        request.database, request.runtime, filled.partner["partner_id"], [wanted.product_id], 1, None
    )
    return request.page(
        "batches/new_batch_check.html",
        partner=filled.partner,
        given=filled.given,
        wanted=wanted,
        product=stock[0]["name"] if stock else "",
        estimate=estimate,
        total=estimate.price * wanted.quantity,
        price=_price(estimate),
        is_changed=is_changed,
    )


async def _make(request: StaffRequest, filled: _Filled, wanted: BatchRequest) -> Response:
    """Begins it, unless the price is another by now than the page said. Sent twice, it is the same batch."""
    try:
        estimate = await request.use(Generator).estimate(filled.whose(request), wanted)
        if _price(estimate) != request.form.get("price", ""):
            return await _check(request, filled, wanted, is_changed=True)
    except (BatchIdTaken, StockShort, ReservationTooSmall, ReservationEnded):
        # This form's own first try, perhaps; if not, it is refused below.
        pass
    making = await request.use(LargeBatches).begin(filled.whose(request), wanted, request.request_id)
    batch = {"partner_id": filled.partner["partner_id"], "batch_id": making.batch_id}
    return go_to(address_of(batch, done="begun"))


def _price(estimate: Estimate) -> str:
    return f"{amount_text(estimate.price, estimate.currency)} {estimate.currency}"


def _wanted(given: dict[str, str]) -> BatchRequest:
    """What the form asks for. Invalid lists every field that is wrong."""
    wrong: list[FieldError] = []
    product_id = plain_number(given["product"])
    if product_id is None:
        wrong.append(FieldError("product", "Choose a product"))
    # Of what cannot be read, something that is never wrong, so that the rest is checked too.
    quantity, last_day, metadata = 1, None, None
    try:
        quantity = whole_number(given["quantity"], "quantity")
    except Invalid as error:
        wrong += error.errors
    try:
        last_day = day(given["valid_until"] or None, "valid_until")
    except Invalid as error:
        wrong += error.errors
    try:
        metadata = _metadata(given["metadata"])
    except ValueError as error:
        wrong.append(FieldError("metadata", str(error)))
    wanted = BatchRequest(
        product_id or 0,
        quantity,
        given["batch"],
        last_day,
        metadata,
        given["reservation"] or None,
        is_large=True,
    )
    try:
        check(wanted)
    except Invalid as error:
        wrong += error.errors
    if wrong:
        raise Invalid(wrong)
    return wanted


def _metadata(text: str) -> dict[str, Any] | None:
    """Lines of `name: value`. ValueError when they are none."""
    found: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = (part.strip() for part in one_line(line, FORM_BYTES_MAX).partition(":"))
        if not (name and colon):
            message = f"Must be lines like 'campaign: spring'; {line.strip()[:40]!r} is none"
            raise ValueError(message)
        if name in found:
            message = f"Must say each name once; {name[:40]!r} comes again"
            raise ValueError(message)
        found[name] = value
    return checked_metadata(found) if found else None


def _by_field(errors: list[FieldError]) -> dict[str, str]:
    names = [error.pointer.removeprefix("#/") for error in errors]
    return {_FIELD_OF.get(name, name): error.detail for name, error in zip(names, errors, strict=True)}


def _for_staff(refusal: DomainError, wanted: BatchRequest) -> str:
    """The refusals are worded for the partner."""
    if isinstance(refusal, BatchIdTaken):
        return f"The partner has a batch {wanted.batch_id} already. Choose another id."
    if isinstance(refusal, ProductUnknown):
        return f"There is no product {wanted.product_id}."
    return refusal.detail


PAGES = [Page(NEW, _form, _send, Right.MAKE_BATCHES)]
