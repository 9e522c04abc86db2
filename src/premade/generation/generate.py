"""Generating a batch of tickets: all or none, and once for each Idempotency-Key."""

import base64
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from premade.audit.events import BatchGenerated, BatchGenerationBegun
from premade.audit.idempotency import Operation, Overtaken, Receipt, RequestIdentity
from premade.generation import generate_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.generation.checks import check_batch, held, last_day_of_sale, terms_of_product
from premade.partners.keyring import Caller, OnBehalf
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import RuleBroken
from premade.runtime.logging import log
from premade.stock.hold import expire_holds
from premade.stock.quotas import Quotas, StockRequest
from premade.tickets.code import Signer, ticket_code
from premade.tickets.signing import Signers

_STOCK_CONSTRAINTS = frozenset({"available_not_negative", "held_not_negative"})
"""A concurrent request took the stock after `look`. The next attempt reports what is left."""


@dataclass(frozen=True)
class NewTicket:
    """Generated ticket."""

    ticket_code: str
    token: str


@dataclass(frozen=True)
class IssuedCodes:
    """New ticket codes, and the incarnation of the database that issued them."""

    codes: list[str]
    incarnation_id: UUID | None


@dataclass(frozen=True)
class Generation:
    """A batch request and its sender. `tickets_now`: how many of its tickets are generated with the batch."""

    caller: Caller | OnBehalf
    request_id: str | None
    batch: BatchRequest
    tickets_now: int

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: the batch request."""
        return RequestIdentity(
            self.caller.partner_id, "generate", self.batch.idempotency_key, self.batch.digests
        )


@dataclass(frozen=True)
class Batch:
    """Generated batch; `replayed`: an earlier request with the same Idempotency-Key generated it."""

    batch_id: str
    product_id: int
    entitlements: list[dict[str, Any]]
    price: Decimal
    currency: str
    valid_until: date | None
    usable_days: int | None
    usable_until: date | None
    metadata: dict[str, Any] | None
    reservation_id: str | None
    created_at: datetime
    tickets: list[NewTicket]
    replayed: bool


@dataclass(frozen=True)
class Estimate:
    """Price and stock of a batch before it is generated."""

    price: Decimal
    currency: str
    available: int
    held: int | None
    """Stock that the reservation holds. None if the request names no reservation."""


@dataclass(frozen=True)
class Generator(Operation[Generation, sql.BatchReceipt, Batch]):
    """Generation of batches. The batch itself is the receipt."""

    runtime: Runtime
    signers: Signers
    quotas: Quotas = field(default_factory=Quotas)
    busy_reason = "overtaken_generation"

    async def estimate(self, caller: Caller | OnBehalf, batch: BatchRequest) -> Estimate:
        """Check the request and write nothing. The errors are those of `generate`."""
        request = Generation(caller, None, batch, tickets_now=0)
        receipt = await self.receipt_of(request)
        row = await self._look(request)
        if receipt is None:
            check_batch(row, batch)
        terms = terms_of_product(row, batch)
        if receipt is None and (partner := self.quotas.partner_of(caller)):
            async with self.database.single_statement() as tx:
                await self.quotas.check(tx, partner, stock_request(batch), row.now)
        return Estimate(terms.price, terms.currency, row.available, held(row))

    async def generate(self, caller: Caller | OnBehalf, request_id: str, batch: BatchRequest) -> Batch:
        """Generate the batch, or return the batch of the earlier request with the same Idempotency-Key.

        Raises:
            IdempotencyKeyReused: the key was used for another request.
            Invalid, ProductUnknown, ProductOver, BatchIdTaken, StockShort: see `check_batch`.
            ReservationUnknown, ReservationEnded, ReservationTooSmall: see `check_batch`.
            QuotaReached: the partner would have too many tickets.
            Busy: concurrent requests came first several times.
        """
        return await self.run(Generation(caller, request_id, batch, tickets_now=batch.quantity))

    async def take_stock(
        self, caller: Caller | OnBehalf, batch: BatchRequest, request_id: str | None = None
    ) -> None:
        """Create the batch with all of its stock and without tickets. The errors are those of `generate`."""
        await self.run(Generation(caller, request_id, batch, tickets_now=0))

    async def take_codes(
        self, partner_id: int, code_prefix: str, ticket_type: str, quantity: int
    ) -> IssuedCodes:
        """Issue `quantity` codes. No other ticket has or gets one of them.

        Raises:
            Busy: for a long time, more codes were issued than the logical clock allows.
            DatabaseRestored: the database was restored, and no process has recorded it yet.
        """
        async with self.database.single_statement() as tx:
            taken = await tx.fetch_one(
                sql.take_codes,
                partner_id=partner_id,
                quantity=quantity,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )
        assert taken is not None
        first_ms = taken.first_ms or 0  # None if quantity is 0
        codes = [
            ticket_code(code_prefix, taken.today.year, ticket_type, first_ms + offset)
            for offset in range(quantity)
        ]
        return IssuedCodes(codes, taken.incarnation_id)

    async def find_receipt(self, tx: Transaction, request: Generation) -> Receipt[sql.BatchReceipt] | None:
        """Return the receipt with the request's key."""
        row = await tx.fetch_one(
            sql.batch_of_key,
            partner_id=request.caller.partner_id,
            idempotency_key=request.batch.idempotency_key,
        )
        return row and Receipt(row, "batch", row.batch_id, row.request_digest)

    async def replay(self, request: Generation, row: sql.BatchReceipt) -> Batch:
        """Return the batch as it was generated."""
        async with self.database.single_statement() as tx:
            codes = await tx.fetch_all(
                sql.codes_of_batch, partner_id=request.caller.partner_id, batch_id=row.batch_id
            )
        # Sign again instead of reading the tokens: a ticket may have been reissued. Ed25519 signatures are deterministic.
        signer = await self.signers.by_id(row.signing_key_id)
        return Batch(
            row.batch_id,
            row.product_id,
            row.entitlements,
            row.price,
            row.currency,
            row.valid_until,
            row.usable_days,
            row.usable_until,
            row.metadata,
            row.reservation_id,
            row.created_at,
            signed(signer, codes),
            replayed=True,
        )

    async def attempt(self, request: Generation) -> Batch:
        """Generate the batch. The errors are those of `generate`, and Overtaken."""
        row = await self._look(request)
        check_batch(row, request.batch)
        if row.stale:
            await expire_holds(self.database, self.runtime, request.batch.product_id, request.caller.channel)
        batch = await self._generate(request, row)
        if request.tickets_now:
            log.info(
                "ota.tickets.bulk_generated",
                batch_id=batch.batch_id,
                product_id=batch.product_id,
                quantity=request.batch.quantity,
            )
        return batch

    async def _look(self, request: Generation) -> sql.BatchLook:
        async with self.database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.look,
                partner_id=request.caller.partner_id,
                channel=request.caller.channel,
                product_id=request.batch.product_id,
                batch_id=request.batch.batch_id,
                reservation_id=request.batch.reservation_id,
                now=self.runtime.now(),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )
        assert row is not None
        return row

    async def _generate(self, request: Generation, row: sql.BatchLook) -> Batch:
        terms = terms_of_product(row, request.batch)
        issued = await self.take_codes(
            request.caller.partner_id, terms.code_prefix, terms.ticket_type, request.tickets_now
        )
        signer = await self.signers.current(request.caller.partner_id, issued.incarnation_id)
        batch = Batch(
            request.batch.batch_id,
            request.batch.product_id,
            terms.entitlements,
            terms.price,
            terms.currency,
            last_day_of_sale(row, request.batch),
            row.usable_days,
            row.usable_until,
            request.batch.metadata,
            request.batch.reservation_id,
            row.now,
            signed(signer, issued.codes),
            replayed=False,
        )
        await self._write(request, batch, signer.key_id, issued.incarnation_id)
        return batch

    async def _write(
        self, request: Generation, batch: Batch, signing_key_id: str, incarnation_id: UUID | None
    ) -> None:
        """Write the batch and its tickets.

        Raises:
            Overtaken: the batch_id, the key or the stock is taken, or the database was restored.
        """
        to_make = request.batch.quantity - len(batch.tickets)
        try:
            async with self._transaction(request, batch.created_at) as tx:
                written = await tx.fetch_one(
                    sql.write,
                    partner_id=request.caller.partner_id,
                    channel=request.caller.channel,
                    actor=request.caller.actor,
                    request_id=request.request_id,
                    event=(BatchGenerationBegun if to_make else BatchGenerated).event_name,
                    batch_id=batch.batch_id,
                    product_id=batch.product_id,
                    quantity=request.batch.quantity,
                    to_make=to_make,
                    entitlements=orjson.dumps(batch.entitlements).decode(),
                    price=batch.price,
                    currency=batch.currency,
                    valid_until=batch.valid_until,
                    usable_days=batch.usable_days,
                    usable_until=batch.usable_until,
                    metadata=None if batch.metadata is None else orjson.dumps(batch.metadata).decode(),
                    reservation_id=batch.reservation_id,
                    signing_key_id=signing_key_id,
                    incarnation_id=incarnation_id,
                    idempotency_key=request.batch.idempotency_key,
                    request_digest=request.identity.digests[0],
                    now=batch.created_at,
                    tickets=as_rows(batch.tickets),
                )
                assert written is not None
                is_from_stock = written.stock and (batch.reservation_id is None or written.reservations)
                if not (written.batches and is_from_stock):
                    raise Overtaken
        except RuleBroken as broken:
            if broken.rule not in _STOCK_CONSTRAINTS:
                raise
            raise Overtaken from None

    def _transaction(self, request: Generation, now: datetime) -> AbstractAsyncContextManager[Transaction]:
        if partner := self.quotas.partner_of(request.caller):
            return self.quotas.transaction(self.database, partner, stock_request(request.batch), now)
        return self.database.transaction()


def stock_request(batch: BatchRequest) -> StockRequest:
    """Return the stock that the batch takes."""
    return StockRequest(batch.product_id, batch.quantity, is_reserved=batch.reservation_id is not None)


def signed(signer: Signer, codes: list[str]) -> list[NewTicket]:
    """Return tickets with these codes and their first tokens."""
    return [NewTicket(code, signer.token(code, 1)) for code in codes]


def as_rows(tickets: list[NewTicket]) -> str:
    """Return the tickets as a JSON parameter of a statement."""
    return orjson.dumps(
        [
            {"ticket_code": ticket.ticket_code, "qr_code": base64.b64encode(ticket.token.encode()).decode()}
            for ticket in tickets
        ]
    ).decode()
