"""Selling several tickets as one order: all of them or none, and once however often it is asked for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, TypeVar

from premade.activation import order_sql as sql
from premade.activation.customer import StoredCustomer, is_same_request
from premade.activation.outcome import SaleOutcome
from premade.activation.refusals import (
    BatchShort,
    CurrenciesDiffer,
    refusal_of,
    refusal_of_order,
)
from premade.activation.sale import Draw, Sale, Selection
from premade.audit.events import TicketActivated
from premade.batches.batch import batch_unknown, is_batch_id
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, DomainError, IdempotencyKeyReused
from premade.runtime.logging import log
from premade.tickets.code import Signer, possible_code, stored_token
from premade.tickets.refusals import TicketExpired

Asked = TypeVar("Asked", bound=Sale)


class _BatchKey(TypedDict):
    partner_id: int
    batch_id: str
    today: date
    zone: str


@dataclass(frozen=True)
class _Sellable:
    """A ticket that this transaction has locked and may sell."""

    ticket_id: int
    ticket_code: str
    price: Decimal
    currency: str


@dataclass(frozen=True)
class SoldTicket:
    """A ticket as it was sold. `usable_until` is the last day of use."""

    ticket_code: str
    entitlements: list[dict[str, Any]]
    token: str
    usable_until: date | None


@dataclass(frozen=True)
class Sold:
    """The order as it was made; `replayed` when an earlier request with the same Idempotency-Key made it."""

    order_id: str
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    activated_at: datetime
    tickets: list[SoldTicket]
    replayed: bool


@dataclass(frozen=True)
class OrderMaker:
    """What selling several tickets needs."""

    database: Database
    runtime: Runtime

    async def draw(self, asked: Draw) -> Sold:
        """The order of so many unused tickets of the batch, those with the lowest codes that nobody else takes.

        BatchUnknown, BatchShort, TicketExpired, IdempotencyKeyReused, Busy; nothing is changed then.
        """
        return await self._once(asked, self._draw)

    async def order(self, asked: Selection) -> Sold:
        """The order of the tickets that are named, in that order.

        TicketsUnknown, TicketsNotSellable, CurrenciesDiffer, IdempotencyKeyReused, Busy; nothing is
        changed then.
        """
        return await self._once(asked, self._select)

    async def _once(self, asked: Asked, make: Callable[[Asked], Awaitable[Sold]]) -> Sold:
        if made := await self._made_before(asked):
            return made
        try:
            sold = await make(asked)
        except DomainError:
            # The tickets, or the key, may have gone to another request with the same key meanwhile.
            if made := await self._made_before(asked):
                return made
            raise
        for ticket in sold.tickets:
            log.info(
                "ota.tickets.activated",
                ticket_code=ticket.ticket_code,
                order_id=sold.order_id,
                customer_email=asked.customer_email,
            )
        return sold

    async def _made_before(self, asked: Sale) -> Sold | None:
        if asked.idempotency_key is None:
            return None
        async with self.database.single_statement() as tx:
            made = await tx.fetch_one(
                sql.order_made_before,
                partner_id=asked.partner_id,
                operation=asked.operation,
                idempotency_key=asked.idempotency_key,
            )
            if made is None:
                return None
            if made.request_digest != asked.digest and not is_same_request(
                asked.digest,
                asked.tickets_of(made.batch_id, made.ticket_codes),
                StoredCustomer(
                    made.customer_name, made.customer_email, made.customer_phone, made.payment_reference
                ),
            ):
                raise IdempotencyKeyReused("order", made.order_id)
            rows = await tx.fetch_all(
                sql.tickets_as_sold,
                partner_id=asked.partner_id,
                order_id=made.order_id,
                event=TicketActivated.event_name,
            )
        return Sold(
            order_id=made.order_id,
            customer_name=made.customer_name,
            payment_reference=made.payment_reference,
            total_amount=made.total_amount,
            currency=made.currency,
            activated_at=made.activated_at,
            tickets=[_sold(row, _token_as_sold(row)) for row in rows],
            replayed=True,
        )

    async def _draw(self, asked: Draw) -> Sold:
        if not is_batch_id(asked.batch_id):
            raise batch_unknown(asked.batch_id)
        batch_key: _BatchKey = {
            "partner_id": asked.partner_id,
            "batch_id": asked.batch_id,
            "today": self.runtime.today(),
            "zone": str(self.runtime.zone),
        }
        async with self.database.transaction() as tx:
            tickets = await tx.fetch_all(sql.free_tickets, **batch_key, quantity=asked.quantity)
            _check_days(asked, tickets)
            if len(tickets) == asked.quantity:
                return await self._sell(tx, asked, tickets)
        # Others may hold what is missing, and give it back: now they are waited for. With the batch locked
        # before its tickets, and the tickets of the first look let go, no two draws wait for each other.
        async with self.database.transaction() as tx:
            batch = await tx.fetch_one(sql.wait_for_batch, **batch_key)
            if batch is None:
                raise batch_unknown(asked.batch_id)
            tickets = await tx.fetch_all(sql.unused_tickets, **batch_key, quantity=asked.quantity)
            _check_days(asked, [batch, *tickets])
            if len(tickets) < asked.quantity:
                raise _batch_short(asked, len(tickets))
            return await self._sell(tx, asked, tickets)

    async def _select(self, asked: Selection) -> Sold:
        async with self.database.transaction() as tx:
            tickets = await self._lock(tx, asked)
            if _unsellable(asked, tickets):
                tickets = await self._lock(tx, asked)
            if refused := _unsellable(asked, tickets):
                raise refusal_of_order(len(tickets), refused)
            sellable = [_sellable(ticket) for ticket in tickets]
            _check_currencies(sellable)
            return await self._sell(tx, asked, sellable)

    async def _lock(self, tx: Transaction, asked: Selection) -> list[sql.TicketToSell]:
        return await tx.fetch_all(
            sql.listed_tickets,
            partner_id=asked.partner_id,
            ticket_codes=[possible_code(code) for code in asked.ticket_codes],
            today=self.runtime.today(),
            zone=str(self.runtime.zone),
        )

    async def _sell(
        self, tx: Transaction, asked: Sale, tickets: Sequence[_Sellable | sql.UnusedTicket]
    ) -> Sold:
        total_amount = sum((ticket.price for ticket in tickets), Decimal())
        currency = tickets[0].currency
        rows = await tx.fetch_all(
            sql.sell,
            partner_id=asked.partner_id,
            actor=asked.actor,
            request_id=asked.request_id,
            event=TicketActivated.event_name,
            customer_name=asked.customer_name,
            customer_email=asked.customer_email,
            customer_phone=asked.customer_phone,
            payment_reference=asked.payment_reference,
            total_amount=total_amount,
            currency=currency,
            ticket_ids=[ticket.ticket_id for ticket in tickets],
            ticket_codes=[ticket.ticket_code for ticket in tickets],
            operation=asked.operation,
            idempotency_key=asked.idempotency_key,
            request_digest=asked.digest,
            now=self.runtime.now(),
            today=self.runtime.today(),
            zone=str(self.runtime.zone),
        )
        if not rows:
            raise Busy("key_in_progress")
        return Sold(
            order_id=rows[0].order_id,
            customer_name=asked.customer_name,
            payment_reference=asked.payment_reference,
            total_amount=total_amount,
            currency=currency,
            activated_at=rows[0].activated_at,
            tickets=[_sold(row, stored_token(row.qr_code)) for row in rows],
            replayed=False,
        )


def _sold(row: sql.SoldTicketRow | sql.TicketAsSold, token: str) -> SoldTicket:
    return SoldTicket(row.ticket_code, row.entitlements, token, row.usable_until)


def _token_as_sold(row: sql.TicketAsSold) -> str:
    """A signature comes out the same each time (RFC 8032)."""
    return Signer.of(row.key_id, row.seed).token(row.ticket_code, row.issue_number)


def _batch_short(asked: Draw, available: int) -> BatchShort:
    return BatchShort(asked.batch_id, requested=asked.quantity, available=available)


def _unsellable(asked: Selection, tickets: list[sql.TicketToSell]) -> list[tuple[str, DomainError]]:
    return [
        (code, refusal_of(code, ticket))
        for code, ticket in zip(asked.ticket_codes, tickets, strict=True)
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


def _check_days(asked: Draw, rows: Sequence[sql.UnusedTicket | sql.BatchToSell]) -> None:
    for row in rows:
        if row.is_over:
            raise TicketExpired("batch", asked.batch_id, row.valid_until)
