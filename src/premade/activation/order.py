"""Activating several tickets as one order: all or none, and once for each Idempotency-Key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict

from premade.activation import order_sql as sql
from premade.activation.customer import StoredCustomer, normalized_digest
from premade.activation.outcome import SaleOutcome
from premade.activation.refusals import (
    BatchShort,
    CurrenciesDiffer,
    refusal_of,
    refusal_of_order,
)
from premade.activation.sale import Draw, Sale, Selection
from premade.audit.events import TicketActivated
from premade.audit.idempotency import Operation, Overtaken, Receipt
from premade.batches.batch import batch_unknown, is_batch_id
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError, ResultArchived
from premade.runtime.logging import log
from premade.tickets.code import possible_code, stored_token
from premade.tickets.refusals import TicketExpired
from premade.tickets.signing import Signers


class _BatchKey(TypedDict):
    partner_id: int
    batch_id: str
    today: date
    zone: str


@dataclass(frozen=True)
class _Sellable:
    """A ticket that this transaction has locked and can activate."""

    ticket_id: int
    ticket_code: str
    price: Decimal
    currency: str


@dataclass(frozen=True)
class SoldTicket:
    """A ticket of an order when it was activated. `usable_until` is the last day of use."""

    ticket_code: str
    entitlements: list[dict[str, Any]]
    token: str
    usable_until: date | None


@dataclass(frozen=True)
class Sold:
    """Order with its activated tickets; `replayed`: an earlier request with the same Idempotency-Key created it."""

    order_id: str
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    activated_at: datetime
    customer_erased_at: datetime | None
    tickets: list[SoldTicket]
    replayed: bool


@dataclass(frozen=True)
class OrderMaker(Operation[Draw | Selection, sql.OrderReceipt, Sold]):
    """Activation of several tickets. The order itself is the receipt."""

    runtime: Runtime
    signers: Signers

    async def draw(self, request: Draw) -> Sold:
        """Activate unused tickets of a batch, those with the lowest codes that no other transaction has locked.

        Raises:
            BatchUnknown: the partner has no such batch.
            BatchShort: the batch has fewer unused tickets.
            TicketExpired: the last day of sale has ended.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked the batch or a ticket.
        """
        return await self.run(request)

    async def order(self, request: Selection) -> Sold:
        """Activate the tickets with these codes. The result has them in this order.

        Raises:
            TicketsUnknown: the partner has no ticket with one of the codes.
            TicketsNotSellable: the state of a ticket does not allow it.
            CurrenciesDiffer: the tickets have different currencies.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked a ticket.
        """
        return await self.run(request)

    async def find_receipt(
        self, tx: Transaction, request: Draw | Selection
    ) -> Receipt[sql.OrderReceipt] | None:
        """Return the receipt with the request's key."""
        row = await tx.fetch_one(
            sql.order_of_key,
            partner_id=request.partner_id,
            operation=request.operation,
            idempotency_keys=request.stored_keys,
        )
        if row is None:
            return None
        stored = StoredCustomer(
            row.customer_name,
            row.customer_email,
            row.customer_phone,
            row.payment_reference,
            row.customer_erased_at,
        )
        tickets = request.tickets_of(row.batch_id, row.ticket_codes)
        return Receipt(
            row, "order", row.order_id, row.request_digest, lambda: normalized_digest(tickets, stored)
        )

    async def replay(self, request: Draw | Selection, row: sql.OrderReceipt) -> Sold:
        """Return the order as it was created.

        Raises:
            ResultArchived: the events with the issue numbers of its QRs are in the archive.
            SigningKeyMissing: no master key opens the key of a QR.
        """
        async with self.database.single_statement() as tx:
            tickets = await tx.fetch_all(
                sql.tickets_as_sold,
                partner_id=request.partner_id,
                order_id=row.order_id,
                event=TicketActivated.event_name,
            )
        if len(tickets) < len(row.ticket_codes):
            raise ResultArchived("request", row.activated_at)
        # Sign again: Ed25519 signatures are deterministic (RFC 8032).
        signer_of = {
            key_id: await self.signers.by_id(key_id) for key_id in {each.signing_key_id for each in tickets}
        }
        return Sold(
            order_id=row.order_id,
            customer_name=row.customer_name,
            payment_reference=row.payment_reference,
            total_amount=row.total_amount,
            currency=row.currency,
            activated_at=row.activated_at,
            customer_erased_at=row.customer_erased_at,
            tickets=[
                _sold(ticket, signer_of[ticket.signing_key_id].token(ticket.ticket_code, ticket.issue_number))
                for ticket in tickets
            ],
            replayed=True,
        )

    async def attempt(self, request: Draw | Selection) -> Sold:
        """Create the order. The errors are those of `draw` and `order`, and Overtaken."""
        sold = await (self._draw(request) if isinstance(request, Draw) else self._select(request))
        for ticket in sold.tickets:
            log.info(
                "ota.tickets.activated",
                ticket_code=ticket.ticket_code,
                order_id=sold.order_id,
                customer_email=request.customer_email,
            )
        return sold

    async def _draw(self, request: Draw) -> Sold:
        if not is_batch_id(request.batch_id):
            raise batch_unknown(request.batch_id)
        batch_key: _BatchKey = {
            "partner_id": request.partner_id,
            "batch_id": request.batch_id,
            "today": self.runtime.today(),
            "zone": str(self.runtime.zone),
        }
        async with self.database.transaction() as tx:
            tickets = await tx.fetch_all(sql.free_tickets, **batch_key, quantity=request.quantity)
            _check_days(request, tickets)
            if len(tickets) == request.quantity:
                return await self._sell(tx, request, tickets)
        # Other transactions may have locked the missing tickets, and may release them. Wait for them, in a new transaction
        # that locks the batch before its tickets. Two draws then cannot deadlock.
        async with self.database.transaction() as tx:
            batch = await tx.fetch_one(sql.wait_for_batch, **batch_key)
            if batch is None:
                raise batch_unknown(request.batch_id)
            tickets = await tx.fetch_all(sql.unused_tickets, **batch_key, quantity=request.quantity)
            _check_days(request, [batch, *tickets])
            if len(tickets) < request.quantity:
                raise BatchShort(request.batch_id, requested=request.quantity, available=len(tickets))
            return await self._sell(tx, request, tickets)

    async def _select(self, request: Selection) -> Sold:
        async with self.database.transaction() as tx:
            tickets = await self._lock(tx, request)
            if _refusals(request, tickets):
                # Read again: the first statement cannot see the orders of tickets that it had to wait for.
                tickets = await self._lock(tx, request)
            if refusals := _refusals(request, tickets):
                raise refusal_of_order(len(tickets), refusals)
            sellable = [_sellable(ticket) for ticket in tickets]
            _check_currencies(sellable)
            return await self._sell(tx, request, sellable)

    async def _lock(self, tx: Transaction, request: Selection) -> list[sql.TicketToSell]:
        return await tx.fetch_all(
            sql.listed_tickets,
            partner_id=request.partner_id,
            ticket_codes=[possible_code(code) for code in request.ticket_codes],
            today=self.runtime.today(),
            zone=str(self.runtime.zone),
        )

    async def _sell(
        self, tx: Transaction, request: Sale, tickets: Sequence[_Sellable | sql.UnusedTicket]
    ) -> Sold:
        total_amount = sum((ticket.price for ticket in tickets), Decimal())
        currency = tickets[0].currency
        rows = await tx.fetch_all(
            sql.sell,
            partner_id=request.partner_id,
            actor=request.actor,
            request_id=request.request_id,
            event=TicketActivated.event_name,
            customer_name=request.customer_name,
            customer_email=request.customer_email,
            customer_phone=request.customer_phone,
            payment_reference=request.payment_reference,
            event_reference=request.event_reference,
            total_amount=total_amount,
            currency=currency,
            ticket_ids=[ticket.ticket_id for ticket in tickets],
            ticket_codes=[ticket.ticket_code for ticket in tickets],
            operation=request.operation,
            idempotency_key=request.idempotency_key,
            request_digest=request.identity.digests[0],
            now=self.runtime.now(),
            today=self.runtime.today(),
            zone=str(self.runtime.zone),
        )
        if not rows:
            raise Overtaken
        return Sold(
            order_id=rows[0].order_id,
            customer_name=request.customer_name,
            payment_reference=request.payment_reference,
            total_amount=total_amount,
            currency=currency,
            activated_at=rows[0].activated_at,
            customer_erased_at=None,
            tickets=[_sold(row, stored_token(row.qr_code)) for row in rows],
            replayed=False,
        )


def _sold(row: sql.SoldTicketRow | sql.TicketAsSold, token: str) -> SoldTicket:
    return SoldTicket(row.ticket_code, row.entitlements, token, row.usable_until)


def _refusals(request: Selection, tickets: list[sql.TicketToSell]) -> list[tuple[str, DomainError]]:
    return [
        (code, refusal_of(code, ticket))
        for code, ticket in zip(request.ticket_codes, tickets, strict=True)
        if ticket.outcome is not SaleOutcome.SELLABLE
    ]


def _sellable(ticket: sql.TicketToSell) -> _Sellable:
    assert ticket.ticket_id is not None
    assert ticket.price is not None
    assert ticket.currency is not None
    return _Sellable(ticket.ticket_id, ticket.ticket_code, ticket.price, ticket.currency)


def _check_currencies(tickets: list[_Sellable]) -> None:
    currencies = sorted({ticket.currency for ticket in tickets})
    if len(currencies) > 1:
        raise CurrenciesDiffer(currencies)


def _check_days(request: Draw, rows: Sequence[sql.UnusedTicket | sql.BatchToSell]) -> None:
    for row in rows:
        if row.is_over:
            raise TicketExpired("batch", request.batch_id, row.valid_until)
