"""Generating a batch: a form, a preview of the price and the remaining stock, and the start of the generation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Self

from starlette.responses import Response

from premade.batches.batch import checked_new_batch_id
from premade.catalog.product import ProductUnknown
from premade.console.batches.shown_batch import BATCHES, address_of
from premade.console.change_flow import Edit, FormPage, Preview, Row, VersionChanged, edit_page
from premade.console.forms import FORM_BYTES_MAX, Form, FormView, Input, or_none
from premade.console.rendering import in_day, in_money
from premade.console.routing import Page, StaffRequest
from premade.console.url_params import partner_id_param
from premade.generation.batch_request import BatchRequest, checked_metadata
from premade.generation.checks import BatchIdTaken, ProductOver
from premade.generation.generate import Estimate, Generator
from premade.generation.large import QUANTITY_MAX, LargeBatches, check
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.postgres.keyset import ROWS_READ_MAX
from premade.runtime.errors import DomainError, FieldError, Invalid
from premade.staff.role import Right
from premade.stock.allotment import StockShort, inventory_of
from premade.stock.allotment_sql import InventoryRow
from premade.stock.reservation import (
    ReservationEnded,
    ReservationTooSmall,
    ReservationUnknown,
    is_reservation_id,
)
from premade.texts import formats
from premade.texts.fields import field_text
from premade.texts.formats import LazyNumber
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy, ngettext
from premade.values.currency import amount_text
from premade.values.operator_input import day, plain_number, whole_number
from premade.values.texts import cleaned, one_line

NEW = f"{BATCHES}/new"


def _product(text: str) -> int:
    product_id = plain_number(cleaned(text))
    if product_id is None:
        raise ValueError(field_text("console.choose_product"))
    return product_id


def _quantity(text: str) -> int:
    quantity = whole_number(text, "quantity")
    if not 1 <= quantity <= QUANTITY_MAX:
        raise ValueError(field_text("general.range", least=1, most=QUANTITY_MAX))
    return quantity


def _batch_id(text: str) -> str:
    return checked_new_batch_id(cleaned(text))


def _reservation_id(text: str) -> str:
    reservation_id = cleaned(text)
    if not is_reservation_id(reservation_id):
        raise ValueError(field_text("reservation.id"))
    return reservation_id


def _metadata(text: str) -> dict[str, Any] | None:
    """Read lines of `name: value`.

    Raises:
        ValueError: a line has no name or no colon, or a name is repeated.
    """
    found: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = (part.strip() for part in one_line(line, FORM_BYTES_MAX).partition(":"))
        if not (name and colon):
            raise ValueError(field_text("console.metadata_line", line=line.strip()[:40]))
        if name in found:
            raise ValueError(field_text("console.metadata_repeated", name=name[:40]))
        found[name] = value
    return checked_metadata(found) if found else None


class BatchForm(Form):
    """A batch to generate."""

    product: Annotated[
        int,
        Input(
            lazy("Product"),
            _product,
            lazy("Products that the channel has stock of."),
            kind="select",
            autocomplete=None,
        ),
    ]
    quantity: Annotated[
        int,
        Input(
            lazy("Number of tickets"),
            _quantity,
            lazy("1 to %(most)s.", most=LazyNumber(QUANTITY_MAX)),
            required=True,
            inputmode="numeric",
            maxlength=20,
        ),
    ]
    batch: Annotated[
        str,
        Input(
            lazy("Batch id"), _batch_id, required=True, maxlength=64, autocapitalize="off", spellcheck=False
        ),
    ]
    valid_until: Annotated[
        date | None,
        Input(
            lazy("Last day of sale"),
            or_none(lambda text: day(cleaned(text), "valid_until")),
            lazy("Empty: as long as the product can be used."),
            kind="date",
            autocomplete=None,
        ),
    ]
    reservation: Annotated[
        str | None,
        Input(
            lazy("From a reservation"),
            or_none(_reservation_id),
            lazy("Empty: from the available stock."),
            maxlength=40,
            placeholder="RSV-…",
            autocapitalize="off",
            spellcheck=False,
        ),
    ]
    metadata: Annotated[
        dict[str, Any] | None,
        Input(
            lazy("Metadata"),
            _metadata,
            lazy("Kept with the batch; the partner sees it. One line each, such as campaign: spring"),
            kind="textarea",
            rows=3,
            spellcheck=False,
            autocomplete=None,
        ),
    ]

    def request(self) -> BatchRequest:
        """Return the request for the batch.

        Raises:
            Invalid: it lists all fields that are wrong.
        """
        batch = BatchRequest(
            self.product,
            self.quantity,
            self.batch,
            self.valid_until,
            self.metadata,
            self.reservation,
            is_large=True,
        )
        check(batch)
        return batch


@dataclass(frozen=True, kw_only=True)
class NewBatchPage(FormPage):
    """Values of the form of a new batch."""

    partner: PartnerRow
    has_stock: bool


class NewBatch(Edit[BatchForm]):
    """Generate a batch for a partner."""

    form = BatchForm
    template = "batches/new_batch.html"
    title = lazy("Generate a batch")
    cancel_address = BATCHES
    refusals: ClassVar = {
        ProductUnknown: "product",
        ProductOver: "product",
        StockShort: "quantity",
        ReservationTooSmall: "quantity",
        BatchIdTaken: "batch",
        ReservationUnknown: "reservation",
        ReservationEnded: "reservation",
    }
    pointers: ClassVar = {"reservation_id": "reservation"}
    stale = (VersionChanged,)
    stale_message = lazy("The price changed meanwhile.")

    def __init__(self, request: StaffRequest, partner: PartnerRow) -> None:
        super().__init__(request)
        self.partner = partner
        self.stock: list[InventoryRow] = []

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the new batch of the partner that the form or the URL names."""
        if request.form:
            partner_id = plain_number(request.form.get("partner", ""))
        else:
            partner_id = partner_id_param(request)
        partner = (await partners_by_id(request.database)).get(partner_id or 0)
        if partner is None:
            raise Invalid([FieldError("partner", field_text("general.number_of", name=_("partner")))])
        return cls(request, partner)

    @property
    def owner(self) -> OnBehalf:
        """The member, on behalf of the partner."""
        return OnBehalf(self.partner.partner_id, self.partner.channel, self.request.member.actor)

    async def initial(self) -> dict[str, str]:
        """Return the fields that the URL names."""
        fields = {name: self.request.query(name) for name in BatchForm.inputs()}
        return {**fields, "metadata": self.request.http.query_params.get("metadata", "")}

    def hidden(self) -> dict[str, str]:
        """Return the partner."""
        return {"partner": str(self.partner.partner_id)}

    async def view(self, typed: Mapping[str, str], wrong: Mapping[str, str]) -> FormView:
        """Return the form, with the products that the channel has stock of."""
        self.stock, _following = await inventory_of(
            self.request.database,
            self.request.runtime,
            self.partner.partner_id,
            None,
            ROWS_READ_MAX,
            None,
        )
        products = {
            str(each.product_id): _(
                "%(product)s (%(id)s): %(price)s, %(tickets)s left",
                product=each.name,
                id=each.product_id,
                price=in_money(each.price, each.currency),
                tickets=formats.number(each.available),
            )
            for each in self.stock
        }
        year = self.request.runtime.today().year
        hint = _(
            "The partner's own name of it, such as SUMMER_%(year)s_01: letters, digits and . _ : -", year=year
        )
        return BatchForm.view(typed, wrong, options={"product": products}, hints={"batch": hint})

    def page(self, common: FormPage) -> FormPage:
        """Return the values of the form, the partner, and whether there is stock."""
        return NewBatchPage(**vars(common), partner=self.partner, has_stock=bool(self.stock))

    def explain(self, error: DomainError) -> str:
        """Return the text for staff; the errors are worded for the partner."""
        typed = self.texts()
        if isinstance(error, BatchIdTaken):
            return _(
                "The partner has a batch %(batch)s already. Choose another id.", batch=cleaned(typed["batch"])
            )
        if isinstance(error, ProductUnknown):
            return _("There is no product %(id)s.", id=cleaned(typed["product"]))
        return error.detail

    async def preview(self, form: BatchForm) -> Preview:
        """Return the price of the batch, and the stock that remains."""
        batch_request = form.request()
        estimate = await self.request.use(Generator).estimate(self.owner, batch_request)
        stock, _following = await inventory_of(
            self.request.database,
            self.request.runtime,
            self.partner.partner_id,
            [batch_request.product_id],
            1,
            None,
        )
        product = stock[0].name if stock else ""
        inputs = BatchForm.inputs()
        until = batch_request.valid_until
        rows = [
            Row(inputs["batch"].label, batch_request.batch_id),
            Row(
                _("Partner"),
                f"{self.partner.name} {_('(test)')}" if self.partner.is_test else self.partner.name,
            ),
            Row(inputs["product"].label, f"{product} ({batch_request.product_id})"),
            Row(inputs["quantity"].label, formats.number(batch_request.quantity)),
            Row(_("Price"), in_money(estimate.price, estimate.currency)),
            Row(
                _("Total, if all are sold"),
                in_money(estimate.price * batch_request.quantity, estimate.currency),
            ),
            Row(
                inputs["valid_until"].label,
                in_day(until) if until else _("as long as the product can be used"),
            ),
            *self._stock_rows(batch_request, estimate),
            *(Row(name, str(value)) for name, value in (batch_request.metadata or {}).items()),
        ]
        return Preview(
            _("Generate this batch?"),
            "",
            rows,
            version=_price(estimate),
            notes=[
                _(
                    "The stock is taken at once. The tickets are generated after that, also if you leave the page."
                )
            ],
            save_label=ngettext(
                "Generate %(num)s ticket", "Generate %(num)s tickets", batch_request.quantity
            ),
        )

    def _stock_rows(self, batch_request: BatchRequest, estimate: Estimate) -> list[Row]:
        channel = self.partner.channel
        if batch_request.reservation_id is None:
            left = formats.number(estimate.available - batch_request.quantity)
            return [
                Row(
                    _("Available in the channel %(channel)s", channel=channel),
                    left,
                    formats.number(estimate.available),
                )
            ]
        held = estimate.held or 0
        return [
            Row(
                _("Held by %(reservation)s", reservation=batch_request.reservation_id),
                formats.number(held - batch_request.quantity),
                formats.number(held),
            ),
            Row(
                _("Available in the channel %(channel)s", channel=channel),
                formats.number(estimate.available),
                formats.number(estimate.available),
            ),
        ]

    async def save(self, form: BatchForm) -> str:
        """Begin the batch, unless the price changed. Sent twice, it is the same batch."""
        request, batch_request = self.request, form.request()
        try:
            estimate = await request.use(Generator).estimate(self.owner, batch_request)
        except (BatchIdTaken, StockShort, ReservationTooSmall, ReservationEnded):
            # Perhaps this form's own first attempt took them; if not, the next statement is refused.
            pass
        else:
            if _price(estimate) != self.version:
                raise VersionChanged
        batch = await request.use(LargeBatches).begin(self.owner, batch_request, request.request_id)
        return address_of(self.partner.partner_id, batch.batch_id, done="begun")


def _price(estimate: Estimate) -> str:
    return f"{amount_text(estimate.price, estimate.currency)} {estimate.currency}"


_EDIT = edit_page(NEW, NewBatch, Right.MAKE_BATCHES)


@dataclass(frozen=True)
class _BatchPartnerPage:
    partners: dict[int, PartnerRow]


async def _new(request: StaffRequest) -> Response:
    """Ask for the partner first."""
    if partner_id_param(request) is None:
        partners = await partners_by_id(request.database)
        return request.page("batches/new_batch_partner.html", _BatchPartnerPage(partners=partners))
    assert _EDIT.show is not None
    return await _EDIT.show(request)


PAGES = [Page(NEW, _new, _EDIT.send, Right.MAKE_BATCHES)]
