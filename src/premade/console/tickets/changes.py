"""Cancelling a ticket or an order, and reissuing a QR."""

from typing import Self

from premade.audit.record import ActingFor
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.cancellation.cancel_order import CancelOrderRequest, OrderCanceller
from premade.console.change_flow import Confirmation, Preview, Row, confirm_page
from premade.console.reason import ReasonForm
from premade.console.rendering import STATE_NAMES
from premade.console.routing import StaffRequest
from premade.console.tickets.pages import ORDERS, TICKETS
from premade.orders.lookup import order_of
from premade.orders.lookup_sql import OrderRow
from premade.orders.owner import partner_of_order, partner_of_ticket
from premade.orders.owner_sql import OrderOwner, TicketOwner
from premade.reissue.reissue import Reissuer, ReissueRequest
from premade.staff.role import Right
from premade.texts.translation import gettext as _
from premade.tickets.lookup import ticket_of
from premade.tickets.lookup_sql import TicketRow


class _TicketChange(Confirmation[ReasonForm]):
    form = ReasonForm
    needs_nonce = True
    focus = "reason"

    def __init__(self, request: StaffRequest, ticket: TicketRow, owner: TicketOwner) -> None:
        super().__init__(request)
        self.ticket, self.owner = ticket, owner
        self.code: str = ticket.ticket_code
        self.cancel_address = f"{TICKETS}/{self.code}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the ticket that the path names."""
        code = request.path_param("code")
        owner = await partner_of_ticket(request.database, code)
        return cls(request, await ticket_of(request.database, owner.partner_id, code), owner)

    @property
    def caller(self) -> ActingFor:
        """The member, on behalf of the partner."""
        return ActingFor(self.owner.partner_id, self.request.member.actor)

    @property
    def idempotency_key(self) -> str:
        """The key of this form: sent twice, it has effect once."""
        return f"{self.request.member.actor}:{self.request.nonce()}"

    def rows(self) -> list[Row]:
        """Return what the ticket is."""
        return [
            Row(_("Ticket"), self.code),
            Row(_("Product"), self.owner.product),
            Row(_("Partner"), self.owner.partner),
        ]


class CancelTicket(_TicketChange):
    """Cancel a ticket."""

    async def preview(self) -> Preview:
        """Return what the cancellation does."""
        order_id = self.ticket.order_id
        state = STATE_NAMES[self.ticket.status]
        notes = [_("Its QR no longer opens a gate, and its stock becomes available again.")]
        if order_id:
            notes.append(
                _("The order %(order)s shows the cancellation. The customer is not refunded.", order=order_id)
            )
        return Preview(
            _("Cancel the ticket"),
            "",
            [*self.rows(), Row(_("State"), STATE_NAMES["CANCELLED"], state)],
            notes=[*notes, _("This cannot be undone.")],
            save_label=_("Cancel the ticket"),
            is_dangerous=True,
        )

    async def save(self, form: ReasonForm) -> str:
        """Cancel it."""
        change = CancelRequest(
            self.caller, self.request.request_id, self.code, form.reason, self.idempotency_key
        )
        await self.request.use(Canceller).cancel(change)
        return f"{self.cancel_address}?done=cancelled"


class ReissueTicket(_TicketChange):
    """Reissue the QR of a ticket."""

    async def preview(self) -> Preview:
        """Return what the reissue does."""
        issue = self.ticket.issue_number
        return Preview(
            _("Reissue the QR"),
            "",
            [
                *self.rows(),
                Row(_("QR"), _("issue %(issue)s", issue=issue + 1), _("issue %(issue)s", issue=issue)),
            ],
            notes=[_("The customer's QR no longer opens a gate, so they must get the new one.")],
            save_label=_("Reissue the QR"),
        )

    async def save(self, form: ReasonForm) -> str:
        """Reissue it."""
        change = ReissueRequest(
            self.caller, self.request.request_id, self.code, form.reason, self.idempotency_key
        )
        await self.request.use(Reissuer).reissue(change)
        return f"{self.cancel_address}?done=reissued"


class CancelOrder(Confirmation[ReasonForm]):
    """Cancel all tickets of an order."""

    form = ReasonForm
    needs_nonce = True
    focus = "reason"

    def __init__(self, request: StaffRequest, order: OrderRow, owner: OrderOwner) -> None:
        super().__init__(request)
        self.order, self.owner = order, owner
        self.cancel_address = f"{ORDERS}/{order.order_id}"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the order that the path names."""
        order_id = request.path_param("order_id")
        owner = await partner_of_order(request.database, order_id)
        return cls(request, await order_of(request.database, owner.partner_id, order_id), owner)

    async def preview(self) -> Preview:
        """Return what the cancellation does."""
        order = self.order
        return Preview(
            _("Cancel the order"),
            "",
            [
                Row(_("Order"), order.order_id),
                Row(_("Partner"), self.owner.partner),
                Row(_("Tickets"), ", ".join(order.ticket_codes)),
                Row(_("State"), STATE_NAMES["CANCELLED"], STATE_NAMES[order.status]),
            ],
            notes=[
                _("All of its tickets are cancelled, or none if one is used or cannot be cancelled."),
                _("The QRs no longer open a gate, and the stock becomes available again."),
                _("The customer is not refunded. This cannot be undone."),
            ],
            save_label=_("Cancel the order"),
            is_dangerous=True,
        )

    async def save(self, form: ReasonForm) -> str:
        """Cancel it."""
        member = self.request.member
        change = CancelOrderRequest(
            ActingFor(self.owner.partner_id, member.actor),
            self.request.request_id,
            self.order.order_id,
            form.reason,
            f"{member.actor}:{self.request.nonce()}",
        )
        await self.request.use(OrderCanceller).cancel(change)
        return f"{self.cancel_address}?done=cancelled"


PAGES = [
    confirm_page(f"{TICKETS}/{{code}}/cancel", CancelTicket, Right.CHANGE_TICKETS),
    confirm_page(f"{ORDERS}/{{order_id}}/cancel", CancelOrder, Right.CHANGE_TICKETS),
    confirm_page(f"{TICKETS}/{{code}}/reissue", ReissueTicket, Right.CHANGE_TICKETS),
]
