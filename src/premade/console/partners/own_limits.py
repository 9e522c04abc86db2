"""A partner's own limits: rates of its API keys, and quotas of its stock."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, create_model

from premade.console.change_flow import Edit, Preview, Row, edit_page
from premade.console.forms import Form, Input, or_none
from premade.console.partners.pages import PARTNERS, number_of_path
from premade.console.routing import StaffRequest
from premade.limits.partner_limits import PARTNER_LIMITS, OwnLimits, PartnerLimit
from premade.partners.limits import LimitsChangedMeanwhile, check_limits, limits_of, limits_text, set_limits
from premade.partners.partner import partner_of
from premade.partners.partner_sql import PartnerRow
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _
from premade.values.operator_input import whole_number


def _input(limit: PartnerLimit) -> Any:
    declared = Input(
        limit.label,
        or_none(lambda text: whole_number(text, limit.name)),
        limit.hint,
        inputmode="numeric",
        maxlength=14,
    )
    return Annotated[int | None, declared]


_FIELDS: Any = {
    name.replace("-", "_"): (_input(limit), Field(alias=name)) for name, limit in PARTNER_LIMITS.items()
}
OwnLimitsForm = create_model("OwnLimitsForm", __base__=Form, **_FIELDS)
"""One field for each limit. An empty one means the limit of the settings."""


def limit_text(value: int | None) -> Text:
    """Return a limit for people."""
    if value is None:
        return _("by the settings")
    return formats.number(value) if value else _("none")


class OwnLimitsChange(Edit[Form]):
    """Change a partner's own limits."""

    form = OwnLimitsForm
    stale = (LimitsChangedMeanwhile,)
    stale_message = lazy("Somebody else changed the limits meanwhile.")

    def __init__(self, request: StaffRequest, partner: PartnerRow, own: OwnLimits) -> None:
        super().__init__(request)
        self.partner, self.own = partner, own
        self.title = _("Rates and quotas of %(partner)s", partner=partner.name)
        self.subject = _("Empty: the limit of the operator's settings. 0: no limit.")
        self.cancel_address = f"{PARTNERS}/{partner.partner_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the partner that the path names."""
        partner = await partner_of(request.database, number_of_path(request, "partner_id"))
        return cls(request, partner, await limits_of(request.database, partner.partner_id))

    async def initial(self) -> dict[str, str]:
        """Return the partner's own limits."""
        return {name: str(self.own[name]) if name in self.own else "" for name in PARTNER_LIMITS}

    async def preview(self, form: Form) -> Preview:
        """Return the limits before and after."""
        new = _values(form)
        check_limits(new)
        return Preview(
            _("Change the limits of %(partner)s?", partner=self.partner.name),
            "",
            [
                Row(PARTNER_LIMITS[name].label, limit_text(value), limit_text(self.own.get(name)))
                for name, value in new.items()
                if value != self.own.get(name)
            ],
            version=limits_text(self.own),
            notes=[_("They apply within seconds. Tickets and reservations that exist stay as they are.")],
        )

    async def save(self, form: Form) -> str:
        """Change the limits unless they have changed since the preview.

        Raises:
            LimitsChangedMeanwhile: somebody else has changed them.
        """
        await set_limits(
            self.request.database,
            self.request.runtime,
            self.partner.name,
            _values(form),
            expected=self.version,
            actor=self.request.member.actor,
        )
        return f"{self.cancel_address}?done=own-limits"


def _values(form: Form) -> Mapping[str, int | None]:
    return form.model_dump(by_alias=True)


PAGES = [edit_page(f"{PARTNERS}/{{partner_id}}/rates", OwnLimitsChange, Right.MANAGE_PARTNERS)]
