"""Cancelling one ticket: its stock returns, its QR opens no gate, its order changes state."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.events import TicketCancellation
from premade.audit.idempotency_sql import EventReceipt
from premade.cancellation import cancel_sql as sql
from premade.catalog.product import Cancellation
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict
from premade.runtime.logging import log
from premade.tickets.change import ChangeOperation, TicketChange
from premade.tickets.code import possible_code
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.ticket import Status


@dataclass(eq=False)
class NotCancellable(Conflict):
    """The product does not allow cancellation of a sold ticket."""

    code = "NOT_CANCELLABLE"

    ticket_code: str


class CancelRequest(TicketChange):
    """A request to cancel one ticket."""

    operation = "cancel"


@dataclass(frozen=True)
class CancelledTicket:
    """Cancelled ticket; `replayed`: an earlier request with the same Idempotency-Key cancelled it.

    `order_status`: state of the order after the cancellation. It is None, like `order_id`, if the ticket was unsold.
    """

    ticket_code: str
    cancelled_at: datetime
    reason: str
    order_id: str | None
    order_status: str | None
    replayed: bool


@dataclass(frozen=True)
class Canceller(ChangeOperation[CancelRequest, CancelledTicket]):
    """Cancellation of single tickets."""

    runtime: Runtime

    async def cancel(self, request: CancelRequest) -> CancelledTicket:
        """Cancel the ticket, or return the result of the earlier request with the same Idempotency-Key.

        Raises:
            TicketUnknown: the partner has no such ticket.
            TicketUsed, TicketCancelled, TicketExpired: the ticket's state does not allow it.
            NotCancellable: the ticket is sold, and its product allows no cancellation.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked the ticket or its order.
        """
        return await self.run(request)

    async def replay(self, request: CancelRequest, row: EventReceipt) -> CancelledTicket:
        """Return the result of the request that left this event."""
        event = TicketCancellation.of(row.data)
        return CancelledTicket(
            request.ticket_code,
            row.occurred_at,
            event.reason,
            row.order_id,
            event.order_status,
            replayed=True,
        )

    async def attempt(self, request: CancelRequest) -> CancelledTicket:
        """Cancel the ticket. The errors are those of `cancel`."""
        async with self.database.transaction() as tx:
            ticket = await tx.fetch_one(
                sql.ticket_to_cancel,
                partner_id=request.caller.partner_id,
                ticket_code=possible_code(request.ticket_code),
            )
            if ticket is None:
                raise ticket_unknown(request.ticket_code)
            _check(ticket, request.ticket_code)
            result = await self._cancel(tx, request, ticket)
        log.info("ota.tickets.cancelled", ticket_code=result.ticket_code, order_id=result.order_id)
        return result

    async def _cancel(
        self, tx: Transaction, request: CancelRequest, ticket: sql.TicketToCancel
    ) -> CancelledTicket:
        if ticket.order_id is not None:
            # Lock the order in a statement of its own: the next statement then sees its tickets that others cancelled.
            await tx.fetch_all(sql.lock_order, partner_id=request.caller.partner_id, order_id=ticket.order_id)
        cancelled = await tx.fetch_one(
            sql.cancel,
            **request.identity.columns,
            actor=request.caller.actor,
            request_id=request.request_id,
            event=TicketCancellation.event_name,
            ticket_id=ticket.ticket_id,
            channel=ticket.channel,
            reason=request.reason,
            now=self.runtime.now(),
        )
        assert cancelled is not None
        return CancelledTicket(
            request.ticket_code,
            cancelled.cancelled_at,
            request.reason,
            ticket.order_id,
            cancelled.order_status,
            replayed=False,
        )


def _check(ticket: sql.TicketToCancel, code: str) -> None:
    if ticket.status == Status.USED or ticket.first_used_at is not None:
        raise TicketUsed(code, ticket.first_used_at)
    if ticket.status == Status.CANCELLED:
        raise TicketCancelled(code)
    if ticket.status == Status.EXPIRED:
        raise TicketExpired("ticket", code, ticket.valid_until)
    if ticket.status == Status.ACTIVE and ticket.cancellation == Cancellation.NEVER:
        raise NotCancellable(code)
