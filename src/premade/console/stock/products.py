"""Adding a product, and changing one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Self, cast

from starlette.exceptions import HTTPException

from premade.batches.lookup import issued_of_product
from premade.batches.lookup_sql import IssuedTickets
from premade.catalog.product import (
    Product,
    ProductChangedMeanwhile,
    ProductChanges,
    ProductIdTaken,
    ProductUnknown,
    add_product,
    change_product,
    product_of,
)
from premade.console.addresses import HOME
from premade.console.change_flow import Edit, Preview, Row, edit_page
from premade.console.forms import FormView
from premade.console.rendering import in_day, in_money
from premade.console.routing import StaffRequest
from premade.console.stock.names_form import FIELD_OF_LANGUAGE, NamesForm
from premade.console.stock.product_form import CANCELLATIONS, NEW_PRODUCT, ProductForm, as_typed, price_hint
from premade.runtime.errors import DomainError
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy, ngettext
from premade.values.operator_input import plain_number
from premade.values.texts import cleaned

STOCK = f"{HOME}/stock"
PRODUCTS = f"{STOCK}/products"
_WAS = "was."
"""Prefix of the fields with the original texts. Only fields that differ from them are changed."""
_KEPT = {
    "price": lazy("price"),
    "currency": lazy("currency"),
    "entitles": lazy("functions"),
    "usable_days": lazy("validity"),
    "usable_until": lazy("validity"),
}
"""Terms of a batch that stay as they were at its generation, by field."""


async def product_of_path(request: StaffRequest) -> Product:
    """Return the product that the path names."""
    product_id = plain_number(request.path_param("product_id"))
    if product_id is None:
        raise HTTPException(404)
    return await product_of(request.database, product_id)


def shown(product: Product) -> dict[str, str]:
    """Return each field as a page shows it, by its name in HTML."""
    texts = {
        **as_typed(product),
        "usable_until": in_day(product.usable_until) if product.usable_until else "",
        "price": in_money(product.price, product.currency),
        "entitles": ", ".join(f"{formats.number(uses)} {code}" for code, uses in product.functions.items()),
        "cancellation": str(CANCELLATIONS[str(product.cancellation)]),
    }
    return {name: text or _("none") for name, text in texts.items()}


class NewProduct(Edit[ProductForm]):
    """Add a product."""

    form = ProductForm
    template = "stock/product_form.html"
    title = lazy("Add a product")
    cancel_address = STOCK
    refusals: ClassVar = {ProductIdTaken: "id"}

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of this request."""
        return cls(request)

    async def initial(self) -> dict[str, str]:
        """Return the values of a new product."""
        return NEW_PRODUCT

    async def view(self, typed: Mapping[str, str], wrong: Mapping[str, str]) -> FormView:
        """Return the form with all fields."""
        return ProductForm.view(typed, wrong, options={"cancellation": CANCELLATIONS}, hints=_hints(typed))

    def explain(self, error: DomainError) -> str:  # noqa: ARG002  (there is one)
        """Return the text beside the id."""
        return _("There is a product %(id)s already", id=cleaned(self.texts()["id"]))

    async def preview(self, form: ProductForm) -> Preview:
        """Return the product as it would be added."""
        product, today = form.product(), self.request.runtime.today()
        product.check_new(today)
        await self._require_free_id(product.product_id)
        texts = shown(product)
        rows = [Row(declared.label, texts[name]) for name, declared in ProductForm.inputs().items()]
        codes = f"{product.code_prefix}-{today.year}-{product.ticket_type}-…"
        return Preview(
            _("Add %(product)s?", product=product.name),
            "",
            [*rows, Row(_("Ticket codes"), codes)],
            notes=[
                _("Nobody can sell it before a channel has stock of it."),
                _("Its id cannot be changed, and a product cannot be deleted."),
            ],
            save_label=_("Add"),
        )

    async def _require_free_id(self, product_id: int) -> None:
        try:
            await product_of(self.request.database, product_id)
        except ProductUnknown:
            return
        raise ProductIdTaken(product_id)

    async def save(self, form: ProductForm) -> str:
        """Add it. Sent twice, it is added once."""
        request, product = self.request, form.product()
        try:
            await add_product(request.database, request.runtime, product, actor=request.member.actor)
        except ProductIdTaken:
            if (await product_of(request.database, product.product_id)).version != product.version:
                raise
        return f"{PRODUCTS}/{product.product_id}?done=added"


class ProductChange(Edit[ProductForm]):
    """Change a product. Only fields that were typed in are changed."""

    form = ProductForm
    template = "stock/product_form.html"
    stale = (ProductChangedMeanwhile,)
    stale_message = lazy("Somebody else changed the product meanwhile.")

    def __init__(self, request: StaffRequest, product: Product) -> None:
        super().__init__(request)
        self.product = product
        self.title = _("Change %(product)s", product=product.name)
        self.cancel_address = f"{PRODUCTS}/{product.product_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the product that the path names."""
        return cls(request, await product_of_path(request))

    async def initial(self) -> dict[str, str]:
        """Return the fields of the current product."""
        return as_typed(self.product)

    def texts(self) -> dict[str, str]:
        """Return the typed texts. The id of a product cannot change, so the form's id is ignored."""
        return {**super().texts(), "id": str(self.product.product_id)}

    def hidden(self) -> dict[str, str]:
        """Return the original texts of the fields."""
        sent = {name: text for name, text in self.request.form.items() if name.startswith(_WAS)}
        return sent or {f"{_WAS}{name}": text for name, text in as_typed(self.product).items()}

    async def view(self, typed: Mapping[str, str], wrong: Mapping[str, str]) -> FormView:
        """Return the form, without the id."""
        return ProductForm.view(
            typed, wrong, options={"cancellation": CANCELLATIONS}, hints=_hints(typed), without=["id"]
        )

    def _changes(self, form: ProductForm) -> ProductChanges:
        """Return the fields that were typed in, by their name in Product."""
        typed, sent = self.texts(), self.request.form
        fields = ProductForm.model_fields
        changes = {
            name: getattr(form, name)
            for name, declared in fields.items()
            if name != "product_id"
            and typed[declared.alias or name] != sent.get(f"{_WAS}{declared.alias or name}")
        }
        if of_names := changes.keys() & NamesForm.model_fields.keys():
            names = {**self.product.names, **form.names()}
            for name in of_names:
                if changes.pop(name) is None:
                    names.pop(str(NamesForm.model_fields[name].alias).removeprefix("name."), None)
            changes["names"] = {tag: names[tag] for tag in FIELD_OF_LANGUAGE if tag in names}
        return cast("ProductChanges", changes)

    async def preview(self, form: ProductForm) -> Preview:
        """Return each field that would change, and what batches keep of it."""
        before, after = self.product, replace(self.product, **self._changes(form))
        after.check()
        issued = await issued_of_product(self.request.database, before.product_id)
        old, new = shown(before), shown(after)
        is_over = after.is_over(self.request.runtime.today())
        return Preview(
            _("Change %(product)s?", product=before.name),
            "",
            [
                Row(declared.label, new[name], old[name], _effect(name, issued))
                for name, declared in ProductForm.inputs().items()
                if old[name] != new[name]
            ],
            version=before.version,
            warnings=[_("The last day of use is past, so no more batches can be generated of this product.")]
            * is_over,
        )

    async def save(self, form: ProductForm) -> str:
        """Change it, if it is still the version that was shown."""
        request, product_id = self.request, self.product.product_id
        changes = self._changes(form)
        replace(self.product, **changes).check()
        await change_product(
            request.database,
            request.runtime,
            product_id,
            version=self.version,
            actor=request.member.actor,
            **changes,
        )
        return f"{PRODUCTS}/{product_id}?done=changed"


def _hints(typed: Mapping[str, str]) -> dict[str, str]:
    return {"price": price_hint(typed.get("currency", ""))}


def _effect(field: str, issued: IssuedTickets) -> str:
    """Return for which tickets a change of the field counts. `issued`: the existing tickets of the product."""
    tickets = _(
        "%(tickets)s in %(batches)s",
        tickets=ngettext("%(num)s ticket", "%(num)s tickets", issued.tickets),
        batches=ngettext("%(num)s batch", "%(num)s batches", issued.batches),
    )
    if kept := _KEPT.get(field):
        if not issued.batches:
            return _("For new batches.")
        return _("For new batches. %(tickets)s keep their %(kept)s.", tickets=tickets, kept=kept)
    if field == "name" or field.startswith("name."):
        return _("Shown at once wherever the product is named, also for existing tickets.")
    if field == "cancellation":
        return _("Applies at once, also to existing tickets (%(tickets)s).", tickets=tickets)
    return _("In the codes of new tickets. %(tickets)s keep their codes.", tickets=tickets)


PAGES = [
    edit_page(f"{STOCK}/new", NewProduct, Right.CHANGE_STOCK),
    edit_page(f"{PRODUCTS}/{{product_id}}/change", ProductChange, Right.CHANGE_STOCK),
]
