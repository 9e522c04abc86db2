"""Cancelling an order: all of its tickets, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from premade.audit.events import OrderCancellation, TicketCancellation
from premade.audit.idempotency import RequestIdentity
from premade.audit.idempotency_sql import EventReceipt
from premade.audit.record import Acting
from premade.cancellation import cancel_order_sql as sql
from premade.cancellation import cancel_sql
from premade.catalog.product import Cancellation
from premade.orders.lookup import order_unknown
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict
from premade.runtime.logging import log
from premade.tickets.change import ChangeOperation
from premade.tickets.code import is_order_id
from premade.tickets.ticket import Status
from premade.values.digest import request_digest

OPERATION = "cancel_order"


@dataclass(eq=False)
class OrderCancelled(Conflict):
    """All tickets of the order are cancelled already."""

    code = "ORDER_CANCELLED"

    order_id: str


@dataclass(eq=False)
class OrderNotCancellable(Conflict):
    """Tickets of the order are used, or their product allows no cancellation."""

    code = "ORDER_NOT_CANCELLABLE"
    published = ("tickets",)

    order_id: str
    tickets: list[str]
    """The tickets that cannot be cancelled."""


@dataclass(frozen=True)
class CancelOrderRequest:
    """A request to cancel an order."""

    caller: Acting
    request_id: str
    order_id: str
    reason: str
    idempotency_key: str | None = None

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: order and reason."""
        digest = request_digest(self.order_id, self.reason)
        return RequestIdentity(self.caller.partner_id, OPERATION, self.idempotency_key, (digest,))


class _Columns(TypedDict):
    actor: str
    request_id: str
    order_id: str
    ticket_codes: list[str]
    reason: str
    now: datetime


@dataclass(frozen=True)
class CancelledOrder:
    """Cancelled order; `replayed`: an earlier request with the same Idempotency-Key cancelled it.

    `ticket_codes`: the tickets that the request cancelled. Others of the order were cancelled before.
    """

    order_id: str
    cancelled_at: datetime
    reason: str
    ticket_codes: list[str]
    replayed: bool


@dataclass(frozen=True)
class OrderCanceller(ChangeOperation[CancelOrderRequest, CancelledOrder]):
    """Cancellation of orders."""

    runtime: Runtime

    async def cancel(self, request: CancelOrderRequest) -> CancelledOrder:
        """Cancel all tickets of the order, or return the result of the earlier request with the same Idempotency-Key.

        Raises:
            OrderUnknown: the partner has no such order.
            OrderCancelled: all of its tickets are cancelled already.
            OrderNotCancellable: a ticket is used, or its product allows no cancellation. Nothing is changed.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked a ticket or the order.
        """
        return await self.run(request)

    async def replay(self, request: CancelOrderRequest, row: EventReceipt) -> CancelledOrder:
        """Return the result of the request that left this event."""
        event = OrderCancellation.of(row.data)
        return CancelledOrder(
            request.order_id, row.occurred_at, event.reason, event.ticket_codes, replayed=True
        )

    async def attempt(self, request: CancelOrderRequest) -> CancelledOrder:
        """Cancel the order. The errors are those of `cancel`."""
        order_id, partner_id = request.order_id, request.caller.partner_id
        if not is_order_id(order_id):
            raise order_unknown(order_id)
        async with self.database.transaction() as tx:
            all_codes = await tx.fetch_one(sql.codes_of_order, partner_id=partner_id, order_id=order_id)
            if all_codes is None:
                raise order_unknown(order_id)
            tickets = await tx.fetch_all(sql.lock_tickets, ticket_codes=all_codes, partner_id=partner_id)
            codes = _cancellable(tickets, order_id)
            cancelled_at = await self._cancel(tx, request, codes)
        log.info("ota.orders.cancelled", order_id=order_id, tickets=len(codes))
        return CancelledOrder(order_id, cancelled_at, request.reason, codes, replayed=False)

    async def _cancel(self, tx: Transaction, request: CancelOrderRequest, codes: list[str]) -> datetime:
        partner_id = request.caller.partner_id
        await tx.fetch_all(cancel_sql.lock_order, partner_id=partner_id, order_id=request.order_id)
        columns = _Columns(
            actor=request.caller.actor,
            request_id=request.request_id,
            order_id=request.order_id,
            ticket_codes=codes,
            reason=request.reason,
            now=self.runtime.now(),
        )
        cancelled_at = await tx.fetch_one(
            sql.record, **request.identity.columns, **columns, event=OrderCancellation.event_name
        )
        await tx.execute(
            sql.cancel_tickets, **columns, partner_id=partner_id, event=TicketCancellation.event_name
        )
        assert cancelled_at is not None
        return cancelled_at


def _cancellable(tickets: Sequence[sql.TicketToCheck], order_id: str) -> list[str]:
    """Return the codes of the tickets to cancel.

    Raises:
        OrderCancelled: all tickets are cancelled already.
        OrderNotCancellable: a ticket is used, or its product allows no cancellation.
    """
    remaining = [ticket for ticket in tickets if ticket.status != Status.CANCELLED]
    if not remaining:
        raise OrderCancelled(order_id)
    refused = [
        ticket.ticket_code
        for ticket in remaining
        if ticket.status != Status.ACTIVE
        or ticket.first_used_at is not None
        or ticket.cancellation == Cancellation.NEVER
    ]
    if refused:
        raise OrderNotCancellable(order_id, refused)
    return [ticket.ticket_code for ticket in remaining]
