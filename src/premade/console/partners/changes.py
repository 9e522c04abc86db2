"""Adding a partner, its limits, and whether its keys work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field
from starlette.responses import Response

from premade.console.addresses import go_to
from premade.console.change_flow import (
    Confirmation,
    Edit,
    NoFields,
    Preview,
    Row,
    confirm_page,
    edit_page,
)
from premade.console.forms import Form, FormView, Input, as_sent, by_field, is_checked
from premade.console.partners.pages import (
    KEY_CACHE_SECONDS_SHOWN,
    PARTNERS,
    keys_with_state,
    last_used,
    number_of_path,
)
from premade.console.routing import Page, StaffRequest
from premade.partners.partner import (
    LIVE_CHANNEL,
    NAME_CHARACTERS_MAX,
    RESERVATION_HOURS_DEFAULT,
    RESERVATION_HOURS_MAX,
    ChannelIsOtherKind,
    PartnerChangedMeanwhile,
    PartnerNameTaken,
    PartnerUnknown,
    add_partner,
    checked_name,
    partner_of,
    rename_partner,
    set_disabled,
    set_reservation_hours,
)
from premade.partners.partner_sql import PartnerRow
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.fields import field_text
from premade.texts.formats import LazyNumber
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy
from premade.values.operator_input import plain_number, whole_number

Hours = Annotated[
    int,
    Input(
        lazy("Reservation time in hours"),
        lambda text: whole_number(text, "reservation-hours"),
        lazy("How long it may hold stock: 1 to %(hours)s.", hours=LazyNumber(RESERVATION_HOURS_MAX)),
        required=True,
        inputmode="numeric",
        maxlength=6,
    ),
]


class PartnerForm(Form):
    """A new partner."""

    name: Annotated[
        str,
        Input(lazy("Name"), as_sent, required=True, maxlength=200),
    ]
    is_test: Annotated[
        bool,
        Input(
            lazy("Test partner"),
            is_checked,
            lazy(
                "Its keys begin with pm_test_, it sells stock of a channel of its own, and reports leave it out."
            ),
            kind="checkbox",
            autocomplete=None,
        ),
    ] = Field(alias="test")
    channel: Annotated[
        str,
        Input(
            lazy("Channel"),
            as_sent,
            lazy(
                "Whose stock it sells. Empty: %(channel)s, or a channel of its own for a test partner. "
                "A channel that does not exist is created.",
                channel=LIVE_CHANNEL,
            ),
            maxlength=63,
            autocapitalize="none",
            spellcheck=False,
        ),
    ]
    hours: Hours = Field(alias="reservation-hours")


class LimitsForm(Form):
    """The limits of a partner."""

    hours: Hours = Field(alias="reservation-hours")


async def _new(request: StaffRequest) -> Response:
    return _new_form(request, {"reservation-hours": str(RESERVATION_HOURS_DEFAULT)}, {}, 200)


@dataclass(frozen=True)
class _NewPartnerPage:
    form: FormView


def _new_form(
    request: StaffRequest, typed: Mapping[str, str], wrong: Mapping[str, str], status: int
) -> Response:
    return request.page(
        "partners/partner_new.html", _NewPartnerPage(form=PartnerForm.view(typed, wrong)), status
    )


async def _add(request: StaffRequest) -> Response:
    typed = PartnerForm.texts(request.form)
    try:
        form = PartnerForm.parse(typed)
        added = await add_partner(
            request.database,
            request.runtime,
            form.name,
            channel=form.channel or None,
            is_test=form.is_test,
            reservation_hours_max=form.hours,
            actor=request.member.actor,
        )
    except Invalid as error:
        return _new_form(request, typed, by_field(error.errors), 400)
    except PartnerNameTaken as error:
        return _new_form(request, typed, {"name": error.detail}, 409)
    except ChannelIsOtherKind as error:
        return _new_form(request, typed, {"channel": error.detail}, 409)
    return go_to(f"{PARTNERS}/{added.partner_id}?done=added")


class LimitsChange(Edit[LimitsForm]):
    """Change how long a partner may hold stock."""

    form = LimitsForm
    stale = (PartnerChangedMeanwhile,)
    stale_message = lazy("Somebody else changed the limits meanwhile.")

    def __init__(self, request: StaffRequest, partner: PartnerRow) -> None:
        super().__init__(request)
        self.partner = partner
        self.title = _("Limits of %(partner)s", partner=partner.name)
        self.cancel_address = f"{PARTNERS}/{partner.partner_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the partner that the path names."""
        return cls(request, await partner_of(request.database, number_of_path(request, "partner_id")))

    @property
    def hours(self) -> int:
        """The current limit."""
        return self.partner.reservation_hours_max

    async def initial(self) -> dict[str, str]:
        """Return the current limit."""
        return {"reservation-hours": str(self.hours)}

    async def preview(self, form: LimitsForm) -> Preview:
        """Return the limit before and after."""
        if not 1 <= form.hours <= RESERVATION_HOURS_MAX:
            raise Invalid(
                [
                    FieldError(
                        "reservation-hours", field_text("general.range", least=1, most=RESERVATION_HOURS_MAX)
                    )
                ]
            )
        label = LimitsForm.inputs()["reservation-hours"].label
        return Preview(
            _("Change the limits of %(partner)s?", partner=self.partner.name),
            "",
            [Row(label, formats.number(form.hours), formats.number(self.hours))] * (form.hours != self.hours),
            version=str(self.hours),
            notes=[_("Existing reservations stay as they are.")],
        )

    async def save(self, form: LimitsForm) -> str:
        """Change the limit unless it has changed since the preview.

        Raises:
            PartnerChangedMeanwhile: somebody else has changed it.
        """
        if form.hours != self.hours:
            await set_reservation_hours(
                self.request.database,
                self.request.runtime,
                self.partner.name,
                form.hours,
                expected=plain_number(self.version) or 0,
                actor=self.request.member.actor,
            )
        return f"{self.cancel_address}?done=limits"


class NameForm(Form):
    """The name of a partner."""

    name: Annotated[str, Input(lazy("Name"), as_sent, required=True, maxlength=NAME_CHARACTERS_MAX)]


class RenamePartner(Edit[NameForm]):
    """Rename a partner. The version is its current name."""

    form = NameForm
    title = lazy("Rename a partner")
    refusals: ClassVar = {PartnerNameTaken: "name"}
    stale = (PartnerUnknown,)
    stale_message = lazy("Somebody else renamed the partner meanwhile.")
    focus = "name"

    def __init__(self, request: StaffRequest, partner: PartnerRow) -> None:
        super().__init__(request)
        self.partner = partner
        self.subject = partner.name
        self.cancel_address = f"{PARTNERS}/{partner.partner_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the partner that the path names."""
        return cls(request, await partner_of(request.database, number_of_path(request, "partner_id")))

    async def initial(self) -> dict[str, str]:
        """Return the current name."""
        return {"name": self.partner.name}

    async def preview(self, form: NameForm) -> Preview:
        """Return the name before and after."""
        name = checked_name(form.name)
        return Preview(
            _("Rename the partner?"),
            "",
            [Row(_("Name"), name, self.partner.name)] * (name != self.partner.name),
            version=self.partner.name,
            notes=[_("Its keys, its channel and its tickets stay. The audit record has the old name.")],
            save_label=_("Rename"),
        )

    async def save(self, form: NameForm) -> str:
        """Rename it."""
        await rename_partner(
            self.request.database,
            self.request.runtime,
            self.version,
            form.name,
            actor=self.request.member.actor,
        )
        return f"{self.cancel_address}?done=renamed"


class DisablePartner(Confirmation[NoFields]):
    """Disable a partner: none of its keys works."""

    form = NoFields

    def __init__(self, request: StaffRequest, partner: PartnerRow) -> None:
        super().__init__(request)
        self.partner = partner
        self.cancel_address = f"{PARTNERS}/{partner.partner_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the partner that the path names."""
        return cls(request, await partner_of(request.database, number_of_path(request, "partner_id")))

    async def preview(self) -> Preview:
        """Return the keys that stop working."""
        keys = await keys_with_state(self.request, self.partner.partner_id)
        rows = [
            Row(
                _("Key %(key)s", key=key.details.key_id),
                _("stops working"),
                last_used(self.request, key.details.last_used_at),
            )
            for key in keys
            if key.state == "working"
        ]
        effect = (
            _("These keys stop working within %(seconds)s seconds.", seconds=KEY_CACHE_SECONDS_SHOWN)
            if rows
            else _("None of its keys works now, and none will until it is enabled again.")
        )
        return Preview(
            _("Disable %(partner)s?", partner=self.partner.name),
            "",
            rows,
            notes=[
                effect,
                _("Sold tickets stay valid at the gate. Reservations stay until they expire."),
                _("The partner can be enabled again."),
            ],
            save_label=_("Disable"),
            is_dangerous=True,
        )

    async def save(self, form: NoFields) -> str:  # noqa: ARG002  (it has no fields)
        """Disable it. Sent again, it changes nothing and leaves no second event."""
        return await _set_disabled(self.request, self.partner, disabled=True)


async def _enable(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, number_of_path(request, "partner_id"))
    return go_to(await _set_disabled(request, partner, disabled=False))


async def _set_disabled(request: StaffRequest, partner: PartnerRow, *, disabled: bool) -> str:
    if (partner.disabled_at is not None) != disabled:
        await set_disabled(
            request.database, request.runtime, partner.name, disabled=disabled, actor=request.member.actor
        )
    return f"{PARTNERS}/{partner.partner_id}?done={'disabled' if disabled else 'enabled'}"


_PARTNER = f"{PARTNERS}/{{partner_id}}"
PAGES = [
    Page(f"{PARTNERS}/new", _new, _add, Right.MANAGE_PARTNERS),
    edit_page(f"{_PARTNER}/name", RenamePartner, Right.MANAGE_PARTNERS),
    edit_page(f"{_PARTNER}/limits", LimitsChange, Right.MANAGE_PARTNERS),
    confirm_page(f"{_PARTNER}/disable", DisablePartner, Right.MANAGE_PARTNERS),
    Page(f"{_PARTNER}/enable", send=_enable, right=Right.MANAGE_PARTNERS),
]
