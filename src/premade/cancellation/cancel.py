"""Taking one ticket back: its stock returns, its QR opens nothing more, its order says so."""

from dataclasses import dataclass
from datetime import datetime

from premade.audit.events import TicketCancellation
from premade.audit.idempotency import find_replay, retry_on_key_conflict
from premade.cancellation import cancel_sql as sql
from premade.catalog.product import Cancellation
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict
from premade.runtime.logging import log
from premade.tickets.change import TicketChange
from premade.tickets.code import possible_code
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.ticket import Status


@dataclass(eq=False)
class NotCancellable(Conflict):
    """The product does not allow cancellation of a sold ticket."""

    code = "NOT_CANCELLABLE"

    ticket_code: str


class ToCancel(TicketChange):
    """One ticket to take back."""

    operation = "cancel"


@dataclass(frozen=True)
class CancelledTicket:
    """What came of it; `replayed` when an earlier request with the same Idempotency-Key did it.

    `order_status` is what the order became; None, like `order_id`, where the ticket was unsold.
    """

    ticket_code: str
    cancelled_at: datetime
    reason: str
    order_id: str | None
    order_status: str | None
    replayed: bool


@dataclass(frozen=True)
class Canceller:
    """What taking one ticket back needs."""

    database: Database
    runtime: Runtime

    async def cancel(self, asked: ToCancel) -> CancelledTicket:
        """The cancelled ticket, now or by an earlier request with the same Idempotency-Key.

        TicketUnknown, TicketUsed, TicketCancelled, TicketExpired, NotCancellable, IdempotencyKeyReused, Busy;
        nothing is changed then.
        """
        done = await retry_on_key_conflict(lambda: self._try(asked))
        if not done.replayed:
            log.info("ota.tickets.cancelled", ticket_code=done.ticket_code, order_id=done.order_id)
        return done

    async def _try(self, asked: ToCancel) -> CancelledTicket:
        async with self.database.transaction() as tx:
            # Locked before the key is looked for: whoever waited here sees what the winner left.
            ticket = await tx.fetch_one(
                sql.ticket_to_cancel,
                partner_id=asked.caller.partner_id,
                ticket_code=possible_code(asked.ticket_code),
            )
            if event := await find_replay(tx, asked.keyed):
                done = TicketCancellation.of(event.data)
                return CancelledTicket(
                    asked.ticket_code,
                    event.occurred_at,
                    done.reason,
                    event.order_id,
                    done.order_status,
                    replayed=True,
                )
            if ticket is None:
                raise ticket_unknown(asked.ticket_code)
            _check(ticket, asked.ticket_code)
            return await self._cancel(tx, asked, ticket)

    async def _cancel(self, tx: Transaction, asked: ToCancel, ticket: sql.TicketToCancel) -> CancelledTicket:
        if ticket.order_id is not None:
            # In a statement of its own: the next one then sees what others cancelled of this order.
            await tx.fetch_all(sql.hold_order, partner_id=asked.caller.partner_id, order_id=ticket.order_id)
        done = await tx.fetch_one(
            sql.cancel,
            **asked.keyed.columns,
            actor=asked.caller.actor,
            request_id=asked.request_id,
            event=TicketCancellation.event_name,
            ticket_id=ticket.ticket_id,
            channel=ticket.channel,
            reason=asked.reason,
            now=self.runtime.now(),
        )
        assert done is not None
        return CancelledTicket(
            asked.ticket_code,
            done.cancelled_at,
            asked.reason,
            ticket.order_id,
            done.order_status,
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
