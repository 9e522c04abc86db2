"""Releasing a reservation of a partner."""

from typing import Self

from premade.catalog.product import Product, product_of
from premade.console.change_flow import Confirmation, NoFields, Preview, Row, confirm_page
from premade.console.routing import StaffRequest
from premade.console.stock.products import PRODUCTS, STOCK
from premade.partners.keyring import OnBehalf
from premade.staff.role import Right
from premade.stock.hold import hold_to_release
from premade.stock.hold_sql import HoldToRelease
from premade.stock.release import ReleaseRequest
from premade.stock.reservations import Reservations
from premade.texts.translation import gettext as _
from premade.texts.translation import ngettext


class Release(Confirmation[NoFields]):
    """Release a reservation."""

    form = NoFields

    def __init__(self, request: StaffRequest, hold: HoldToRelease, product: Product) -> None:
        super().__init__(request)
        self.hold, self.product = hold, product
        self.cancel_address = f"{PRODUCTS}/{product.product_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the release of the reservation that the path names."""
        hold = await hold_to_release(request.database, request.runtime, request.path_param("reservation_id"))
        return cls(request, hold, await product_of(request.database, hold.product_id))

    async def preview(self) -> Preview:
        """Return the number of tickets that become available."""
        hold = self.hold
        rows = [
            Row(_("Reservation"), hold.reservation_id),
            Row(_("Partner"), hold.partner),
            Row(
                _("Held until"),
                f"{self.request.templates.minute(hold.expires_at)} {self.request.runtime.zone}",
            ),
            Row(_("Available again on %(channel)s", channel=hold.channel), _tickets(hold.held)),
        ]
        if hold.taken:
            rows.append(Row(_("Already taken, stays with the partner"), _tickets(hold.taken)))
        return Preview(
            _("Release the reservation?"),
            f"{self.product.name} ({self.product.product_id})",
            rows,
            notes=[_("A batch that names this reservation will be refused. This cannot be undone.")],
            save_label=_("Release"),
            is_dangerous=True,
        )

    async def save(self, form: NoFields) -> str:  # noqa: ARG002  (it has no fields)
        """Release it."""
        hold, request = self.hold, self.request
        owner = OnBehalf(hold.partner_id, hold.channel, request.member.actor)
        await request.use(Reservations).release(
            ReleaseRequest(owner, request.request_id, hold.reservation_id)
        )
        return f"{PRODUCTS}/{hold.product_id}?done=released"


def _tickets(count: int) -> str:
    return ngettext("%(num)s ticket", "%(num)s tickets", count)


PAGES = [confirm_page(f"{STOCK}/reservations/{{reservation_id}}/release", Release, Right.CHANGE_STOCK)]
