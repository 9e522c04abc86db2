"""The allotment of a channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from premade.catalog.product import Product
from premade.console.change_flow import Edit, FormPage, Preview, Row, edit_page
from premade.console.forms import Form, FormView, Input, as_sent
from premade.console.routing import StaffRequest
from premade.console.stock.products import PRODUCTS, product_of_path
from premade.partners.partner import list_channels
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.stock.allotment import (
    AllotmentBefore,
    AllotmentBelowIssued,
    AllotmentChangedMeanwhile,
    list_allotments,
    plan_allotment,
    set_allotment,
)
from premade.stock.allotment_sql import ListedAllotment
from premade.texts import formats
from premade.texts.fields import field_text
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy
from premade.values.operator_input import whole_number


class AllotmentForm(Form):
    """Number of tickets of the product that a channel may have."""

    channel: Annotated[
        str,
        Input(
            lazy("Channel"),
            as_sent,
            lazy("A channel is created with the first partner that sells through it."),
            kind="select",
            required=True,
            autocomplete=None,
        ),
    ]
    quantity: Annotated[
        int,
        Input(
            lazy("Tickets in total"),
            lambda text: whole_number(text, "quantity"),
            lazy("Issued and held tickets count."),
            required=True,
            inputmode="numeric",
            maxlength=15,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class AllotmentPage(FormPage):
    """Values of the form of an allotment."""

    before: ListedAllotment | None
    """None: the channel has no allotment of the product."""


class AllotmentChange(Edit[AllotmentForm]):
    """Set the allotment of a channel: its first one, or another figure."""

    form = AllotmentForm
    template = "stock/allotment_form.html"
    refusals: ClassVar = {AllotmentBelowIssued: "quantity"}
    stale = (AllotmentChangedMeanwhile,)
    stale_message = lazy("Somebody else set the allotment meanwhile.")

    def __init__(
        self, request: StaffRequest, product: Product, channel: str, allotments: list[ListedAllotment]
    ) -> None:
        super().__init__(request)
        self.product, self.channel = product, channel
        self.allotments = {row.channel: row for row in allotments}
        self.before = self.allotments.get(channel)
        self.title = (
            _("Change the allotment of %(channel)s", channel=channel)
            if self.before
            else _("Allot stock to a channel")
        )
        self.subject = f"{product.name} ({product.product_id})"
        self.cancel_address = f"{PRODUCTS}/{product.product_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the allotment that the URL or the form names."""
        product = await product_of_path(request)
        channel = request.form.get("channel") or request.query("channel")
        return cls(
            request,
            product,
            channel,
            await list_allotments(request.database, request.runtime, [product.product_id]),
        )

    async def initial(self) -> dict[str, str]:
        """Return the channel and its current allotment."""
        return {"channel": self.channel, "quantity": str(self.before.allotted) if self.before else ""}

    async def view(self, typed: Mapping[str, str], wrong: Mapping[str, str]) -> FormView:
        """Return the form; the channel is a choice only for a new allotment."""
        channels = {
            each.channel: f"{each.channel} {_('(test)')}" if each.is_test else each.channel
            for each in await list_channels(self.request.database)
            if each.channel not in self.allotments
        }
        options = {"channel": {"": _("Choose a channel"), **channels}}
        return AllotmentForm.view(typed, wrong, options=options, without=["channel"] if self.before else [])

    def hidden(self) -> dict[str, str]:
        """Return the channel, unless the form asks for it."""
        return {"channel": self.channel} if self.before else {}

    def page(self, common: FormPage) -> FormPage:
        """Return the values of the form, and the current allotment."""
        return AllotmentPage(**vars(common), before=self.before)

    async def preview(self, form: AllotmentForm) -> Preview:
        """Return the allotment and what would be available."""
        await self._require_channel(form)
        plan = await plan_allotment(
            self.request.database, self.request.runtime, self.product.product_id, form.channel, form.quantity
        )
        if plan.expected.allotted == form.quantity:
            raise Invalid(
                [FieldError("quantity", field_text("console.same_quantity", quantity=form.quantity))]
            )
        before = plan.before
        rows = [
            Row(
                _("Allotment of %(channel)s", channel=form.channel),
                formats.number(plan.allotted),
                formats.number(before.allotted) if before else _("none"),
            ),
            Row(
                _("Available"),
                formats.number(plan.available),
                formats.number(before.available) if before else _("none"),
            ),
        ]
        notes = (
            _(
                "%(issued)s issued and %(held)s held tickets stay as they are. "
                "Tickets sold before you save count too.",
                issued=formats.number(before.issued),
                held=formats.number(before.held),
            )
            if before
            else _(
                "The partners of %(channel)s see the product and can sell it at once.", channel=form.channel
            )
        )
        return Preview(
            _("Change the allotment?") if before else _("Allot this stock?"),
            self.subject,
            rows,
            version="" if plan.expected.allotted is None else str(plan.expected.allotted),
            notes=[notes],
        )

    async def _require_channel(self, form: AllotmentForm) -> None:
        if form.channel not in {each.channel for each in await list_channels(self.request.database)}:
            raise Invalid([FieldError("channel", field_text("console.choose_channel"))])

    async def save(self, form: AllotmentForm) -> str:
        """Set the allotment unless it has changed since the preview. Sending the form twice sets it once.

        Raises:
            AllotmentChangedMeanwhile: somebody else has set another number.
        """
        await self._require_channel(form)
        request, product_id = self.request, self.product.product_id
        expected = AllotmentBefore(whole_number(self.version, "version") if self.version else None)
        try:
            await set_allotment(
                request.database,
                request.runtime,
                product_id,
                form.channel,
                form.quantity,
                expected=expected,
                actor=request.member.actor,
            )
        except AllotmentChangedMeanwhile:
            plan = await plan_allotment(
                request.database, request.runtime, product_id, form.channel, form.quantity
            )
            if plan.expected.allotted != form.quantity:
                raise
        return f"{PRODUCTS}/{product_id}?done=allotment"


PAGES = [edit_page(f"{PRODUCTS}/{{product_id}}/allotment", AllotmentChange, Right.CHANGE_STOCK)]
