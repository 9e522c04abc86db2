"""Making a batch of tickets: whole or not at all, and once for each Idempotency-Key."""

import base64
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from premade.audit.events import BatchGenerated, BatchGenerationBegun
from premade.generation import generate_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.generation.checks import check_batch, held, last_day_of_sale, made_before, terms_of_product
from premade.partners.keyring import Caller, OnBehalf
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, RuleBroken
from premade.runtime.logging import log
from premade.stock.hold import expire_holds
from premade.tickets.code import Signer, ticket_code
from premade.tickets.signing import Signers

TRIES_MAX = 3
"""A try ends without a word when another request takes the batch_id, the key or the stock at the same moment."""


class _Overtaken(Exception):
    """Another request came first; what this one wrote is undone."""


@dataclass(frozen=True)
class NewTicket:
    """Generated ticket."""

    ticket_code: str
    token: str


@dataclass(frozen=True)
class TakenCodes:
    """Codes, and the incarnation of the database that gave them out."""

    codes: list[str]
    incarnation_id: UUID | None


@dataclass(frozen=True)
class Batch:
    """A batch as it was made; `replayed` when an earlier request made it."""

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
    """What a batch would cost and leave, were it made now."""

    price: Decimal
    currency: str
    available: int
    held: int | None
    """What the reservation holds, where the batch is to be taken from one."""


@dataclass(frozen=True)
class Generator:
    """What making a batch needs."""

    database: Database
    runtime: Runtime
    signers: Signers

    async def estimate(self, caller: Caller | OnBehalf, wanted: BatchRequest) -> Estimate:
        """Checks everything, writes nothing. The same refusals as `generate`."""
        seen = await self._look(caller, wanted)
        if not made_before(seen, wanted):
            check_batch(seen, wanted)
        product = terms_of_product(seen, wanted)
        return Estimate(product.price, product.currency, seen.available, held(seen))

    async def generate(self, caller: Caller | OnBehalf, request_id: str, wanted: BatchRequest) -> Batch:
        """The batch, made now or by an earlier request with the same Idempotency-Key.

        ProductUnknown, BatchIdTaken, StockShort, IdempotencyKeyReused, and the refusals of the reservation that
        it names; nothing is written then.
        """
        batch = await self._make_once(caller, request_id, wanted, now=wanted.quantity)
        if not batch.replayed:
            log.info(
                "ota.tickets.bulk_generated",
                batch_id=wanted.batch_id,
                product_id=wanted.product_id,
                quantity=wanted.quantity,
            )
        return batch

    async def take_stock(
        self, caller: Caller | OnBehalf, wanted: BatchRequest, request_id: str | None = None
    ) -> None:
        """The batch with all of its stock and none of its tickets yet. The refusals of `generate`."""
        await self._make_once(caller, request_id, wanted, now=0)

    async def take_codes(
        self, partner_id: int, code_prefix: str, ticket_type: str, quantity: int
    ) -> "TakenCodes":
        """Take `quantity` codes that no ticket has had and none will have.

        Raises:
            Busy: more codes than the clock allows were made for a long time.
            DatabaseRestored: a restore is not recorded yet.
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
        first_ms = taken.first_ms or 0  # of no codes, none
        codes = [
            ticket_code(code_prefix, taken.today.year, ticket_type, first_ms + offset)
            for offset in range(quantity)
        ]
        return TakenCodes(codes, taken.incarnation_id)

    async def _make_once(
        self, caller: Caller | OnBehalf, request_id: str | None, wanted: BatchRequest, now: int
    ) -> Batch:
        """`now`: how many of its tickets are made at once."""
        for _ in range(TRIES_MAX):
            seen = await self._look(caller, wanted)
            if made_batch_id := made_before(seen, wanted):
                return await self._as_made(caller, made_batch_id)
            check_batch(seen, wanted)
            if seen.stale:
                await expire_holds(self.database, self.runtime, wanted.product_id, caller.channel)
            if batch := await self._make(caller, request_id, wanted, seen, now):
                return batch
        raise Busy("overtaken_generation", tries=TRIES_MAX)

    async def _look(self, caller: Caller | OnBehalf, wanted: BatchRequest) -> sql.Look:
        async with self.database.single_statement() as tx:
            seen = await tx.fetch_one(
                sql.look,
                partner_id=caller.partner_id,
                channel=caller.channel,
                product_id=wanted.product_id,
                batch_id=wanted.batch_id,
                idempotency_key=wanted.idempotency_key,
                reservation_id=wanted.reservation_id,
                now=self.runtime.now(),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )
        assert seen is not None
        return seen

    async def _make(
        self,
        caller: Caller | OnBehalf,
        request_id: str | None,
        wanted: BatchRequest,
        seen: sql.Look,
        quantity_now: int,
    ) -> Batch | None:
        """The batch, or None when another request came first."""
        product = terms_of_product(seen, wanted)
        taken = await self.take_codes(
            caller.partner_id, product.code_prefix, product.ticket_type, quantity_now
        )
        signer = await self.signers.current(caller.partner_id, taken.incarnation_id)
        batch = Batch(
            wanted.batch_id,
            wanted.product_id,
            product.entitlements,
            product.price,
            product.currency,
            last_day_of_sale(seen, wanted),
            seen.usable_days,
            seen.usable_until,
            wanted.metadata,
            wanted.reservation_id,
            seen.now,
            signed(signer, taken.codes),
            replayed=False,
        )
        written = await self._write(caller, request_id, wanted, batch, (signer.key_id, taken.incarnation_id))
        return batch if written else None

    async def _write(
        self,
        caller: Caller | OnBehalf,
        request_id: str | None,
        wanted: BatchRequest,
        batch: Batch,
        signed_by: tuple[str, UUID | None],
    ) -> bool:
        """Whether it is written; False when the batch_id, the key or the stock is taken by now, or when the database
        was restored since. `signed_by`: the signing key and its incarnation of the database.
        """
        signing_key_id, incarnation_id = signed_by
        to_make = wanted.quantity - len(batch.tickets)
        try:
            async with self.database.transaction() as tx:
                written = await tx.fetch_one(
                    sql.write,
                    partner_id=caller.partner_id,
                    channel=caller.channel,
                    actor=caller.actor,
                    request_id=request_id,
                    event=(BatchGenerationBegun if to_make else BatchGenerated).event_name,
                    batch_id=batch.batch_id,
                    product_id=batch.product_id,
                    quantity=wanted.quantity,
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
                    idempotency_key=wanted.idempotency_key,
                    request_digest=wanted.digest,
                    now=batch.created_at,
                    tickets=as_rows(batch.tickets),
                )
                assert written is not None
                _undo_unless_taken(written, wanted)
                return bool(written.batches)
        except _Overtaken:
            return False
        except RuleBroken as broken:
            if broken.rule not in ("available_not_negative", "held_not_negative"):
                raise
            return False

    async def _as_made(self, caller: Caller | OnBehalf, batch_id: str) -> Batch:
        async with self.database.single_statement() as tx:
            batch = await tx.fetch_one(sql.batch_as_made, partner_id=caller.partner_id, batch_id=batch_id)
            codes = await tx.fetch_all(sql.tickets_as_made, partner_id=caller.partner_id, batch_id=batch_id)
        assert batch is not None
        # Signed again, not read: a ticket may have been reissued since. Ed25519 signs the same each time.
        signer = await self.signers.by_id(batch.signing_key_id)
        return Batch(
            batch.batch_id,
            batch.product_id,
            batch.entitlements,
            batch.price,
            batch.currency,
            batch.valid_until,
            batch.usable_days,
            batch.usable_until,
            batch.metadata,
            batch.reservation_id,
            batch.created_at,
            signed(signer, codes),
            replayed=True,
        )


def signed(signer: Signer, codes: list[str]) -> list[NewTicket]:
    """The tickets of these codes, with their first tokens."""
    return [NewTicket(code, signer.token(code, 1)) for code in codes]


def as_rows(tickets: list[NewTicket]) -> str:
    """As a statement reads them: JSON."""
    return orjson.dumps(
        [
            {"ticket_code": ticket.ticket_code, "qr_code": base64.b64encode(ticket.token.encode()).decode()}
            for ticket in tickets
        ]
    ).decode()


def _undo_unless_taken(written: sql.Written, wanted: BatchRequest) -> None:
    """Tickets that came from nowhere are undone by leaving the transaction this way."""
    from_stock = written.stock and (wanted.reservation_id is None or written.reservations)
    if written.batches and not from_stock:
        raise _Overtaken
