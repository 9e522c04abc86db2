"""Making a large batch: the operator's, bit by bit, and whatever stops it, exactly once.

The first transaction writes the batch and takes all of its stock. Each one after that makes some tickets and lowers
`to_make` of the batch by as many, so what is left to do always stands in the database, and a running service, or whoever
asks for the same batch again, goes on from there.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace

from premade.audit.events import BatchGenerated, BatchGenerationBegun
from premade.batches.batch import (
    BatchStatus,
    batch_status,
    batch_unknown,
    checked_new_batch_id,
    is_batch_id,
)
from premade.batches.making import DAY_IS_OVER, stop_making
from premade.generation import large_sql as sql
from premade.generation.batch_request import BatchRequest
from premade.generation.checks import BatchIdTaken
from premade.generation.generate import Generator, as_rows, signed
from premade.partners.keyring import OnBehalf
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, DatabaseAway, DomainError, FieldError, Invalid
from premade.runtime.logging import log
from premade.stock.reservation import is_reservation_id
from premade.texts.fields import field_text
from premade.tickets.code import Signer
from premade.tickets.signing import Signers

QUANTITY_MAX = 100_000
TICKETS_A_TRANSACTION_MAX = 500
ALONE_WAIT_SECONDS = 2.0
"""A maker that was killed is off the database within milliseconds."""
CONNECTIONS = 3
"""Of the database's pool, while a batch is made: to be alone, to write, and to take the next codes meanwhile."""
BY_COMMAND = "Stopped by its operator"
LOOK_EVERY_SECONDS = 2.0
"""How often a process of the service looks for batches that nobody makes."""
BATCHES_A_LOOK_MAX = 100


@dataclass(eq=False)
class BatchBeingMade(Conflict):
    """Another process is generating this batch now."""

    code = "BATCH_BEING_MADE"
    published = ("batch_id", "made")

    batch_id: str
    made: int


@dataclass(eq=False)
class BatchStopped(Conflict):
    """The generation of the batch was stopped permanently."""

    code = "BATCH_STOPPED"
    published = ("batch_id", "made")

    batch_id: str
    made: int
    quantity: int
    unmade: int


@dataclass(eq=False)
class BatchMade(Conflict):
    """All tickets of the batch are generated, so there is nothing to stop."""

    code = "BATCH_MADE"
    published = ("batch_id",)

    batch_id: str
    quantity: int


@dataclass(eq=False)
class BatchKeyRetired(Conflict):
    """The signing key of this batch was retired before its last ticket was generated."""

    code = "BATCH_KEY_RETIRED"
    published = ("batch_id",)

    batch_id: str
    signing_key_id: str


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: `made` tickets of `quantity`; `unmade` never will be."""

    batch_id: str
    product_id: int
    quantity: int
    made: int
    unmade: int
    status: BatchStatus


Tell = Callable[[BatchProgress], None]
"""Called after each transaction."""


@dataclass(frozen=True)
class LargeBatches:
    """What making large batches needs. The database's pool must have CONNECTIONS."""

    database: Database
    runtime: Runtime
    signers: Signers

    async def make(self, whose: OnBehalf, wanted: BatchRequest, tell: Tell = lambda _: None) -> BatchProgress:
        """The batch with all of its tickets; one that was begun before with the same `wanted` goes on.

        Invalid, the refusals of Generator.generate (nothing is written then), BatchBeingMade, BatchStopped,
        BatchKeyRetired. Busy, DatabaseAway: what is made is kept, and the same call goes on from there.
        """
        check(wanted)
        async with self._alone(whose, wanted.batch_id, ALONE_WAIT_SECONDS) as is_alone:
            if not is_alone:
                raise await self._being_made(whose, wanted)
            batch = await self._begun(whose, wanted)
            tell(_making(batch))
            return await self._make_rest(whose, batch, tell)

    async def begin(
        self, whose: OnBehalf, wanted: BatchRequest, request_id: str | None = None
    ) -> BatchProgress:
        """The batch with all of its stock and none of its tickets, for the service to make; one that was begun before
        with the same `wanted`, as far as it is. The refusals of `make`, but for BatchBeingMade.
        """
        check(wanted)
        return _making(await self._begun(whose, wanted, request_id))

    async def go_on(self, whose: OnBehalf, batch_id: str) -> None:
        """Makes what is left of a batch that was begun, unless somebody is at it. BatchStopped, BatchKeyRetired."""
        async with self._alone(whose, batch_id, wait_seconds_max=0.0) as is_alone:
            batch = await self._batch(whose.partner_id, batch_id) if is_alone else None
            if batch is not None and batch.to_make:
                await self._make_rest(whose, await self._able(whose, batch), lambda _: None)

    async def go_on_with_all(self) -> None:
        """Makes what is left of batches of all partners, one after the other, the oldest first; those that others are at
        are left to them. What fails with one batch is logged, and the others go on. DatabaseAway.
        """
        async with self.database.single_statement() as tx:
            rows = await tx.fetch_all(
                sql.being_made,
                begun=BatchGenerationBegun.event_name,
                now=self.runtime.now(),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
                batches_max=BATCHES_A_LOOK_MAX,
            )
        for row in rows:
            try:
                await self.go_on(OnBehalf(row.partner_id, row.channel, row.actor), row.batch_id)
            except DatabaseAway:
                raise
            except DomainError as error:
                log.info("making.left", batch_id=row.batch_id, reason=error.code)
            except Exception:  # noqa: BLE001  (whatever it was, it must not keep the others from being made)
                log.exception("making.failed", batch_id=row.batch_id)

    async def continue_turn(self) -> float:
        """Continue unfinished batches in the background; return the seconds until the next look."""
        await self.go_on_with_all()
        return LOOK_EVERY_SECONDS

    def _alone(
        self, whose: OnBehalf, batch_id: str, wait_seconds_max: float
    ) -> AbstractAsyncContextManager[bool]:
        return self.database.advisory_lock(f"{whose.partner_id}:{batch_id}", wait_seconds_max)

    async def progress(self, partner_id: int, batch_id: str) -> BatchProgress:
        """How far the batch is, as the database has it. BatchUnknown."""
        batch = await self._batch(partner_id, batch_id) if is_batch_id(batch_id) else None
        if batch is None:
            raise batch_unknown(batch_id)
        return _making(batch)

    async def stop(self, whose: OnBehalf, batch_id: str, reason: str = BY_COMMAND) -> BatchProgress:
        """Makes no more of it: what is not made is available again, what is made stays. Stopping twice is the same as
        once. BatchUnknown, BatchMade.
        """
        await self.progress(whose.partner_id, batch_id)
        await self._stop(whose, batch_id, reason)
        making = await self.progress(whose.partner_id, batch_id)
        if making.status is BatchStatus.MADE:
            raise BatchMade(batch_id, making.quantity)
        return making

    async def _stop(self, whose: OnBehalf, batch_id: str, reason: str) -> None:
        async with self.database.single_statement() as tx:
            now = self.runtime.now()
            await stop_making(tx, whose.partner_id, batch_id, now, actor=whose.actor, reason=reason)

    async def _batch(self, partner_id: int, batch_id: str) -> sql.BatchToMake | None:
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(
                sql.batch_to_make,
                partner_id=partner_id,
                batch_id=batch_id,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )

    async def _being_made(self, whose: OnBehalf, wanted: BatchRequest) -> BatchBeingMade:
        batch = await self._batch(whose.partner_id, wanted.batch_id)
        made = 0 if batch is None else _making(batch).made
        return BatchBeingMade(wanted.batch_id, made)

    async def _begun(
        self, whose: OnBehalf, wanted: BatchRequest, request_id: str | None = None
    ) -> sql.BatchToMake:
        """The batch as it is, begun now or before. A refusal when it cannot go on, or is another."""
        batch = await self._batch(whose.partner_id, wanted.batch_id)
        if batch is None:
            # Sent twice at once, one of the two takes the stock.
            with suppress(BatchIdTaken):
                await self._generator.take_stock(whose, wanted, request_id)
            batch = await self._batch(whose.partner_id, wanted.batch_id)
        assert batch is not None
        _check_the_same(batch, wanted)
        return await self._able(whose, batch)

    async def _able(self, whose: OnBehalf, batch: sql.BatchToMake) -> sql.BatchToMake:
        """The batch, which can go on or is made. BatchStopped, BatchKeyRetired."""
        if batch.to_make and batch.is_over:
            await self._stop(whose, batch.batch_id, DAY_IS_OVER)
            stopped = await self._batch(whose.partner_id, batch.batch_id)
            assert stopped is not None
            batch = stopped
        _check_able(batch)
        return batch

    async def _make_rest(self, whose: OnBehalf, batch: sql.BatchToMake, tell: Tell) -> BatchProgress:
        is_new = bool(batch.to_make)
        while batch.to_make:
            await self._make_in_turn(whose, batch, tell)
            now = await self._batch(whose.partner_id, batch.batch_id)
            assert now is not None
            batch = await self._able(whose, now)
        if is_new:
            log.info(
                "ota.tickets.bulk_generated",
                batch_id=batch.batch_id,
                product_id=batch.product_id,
                quantity=batch.quantity,
            )
        return _making(batch)

    @property
    def _generator(self) -> Generator:
        return Generator(self.database, self.runtime, self.signers)

    async def _make_in_turn(self, whose: OnBehalf, batch: sql.BatchToMake, tell: Tell) -> None:
        """Transaction after transaction, until nothing is left or one is refused: then somebody stopped the batch."""
        signer = await self.signers.by_id(batch.signing_key_id)
        to_make = batch.to_make
        quantity, tickets = await self._sign(whose.partner_id, batch, signer, to_make)
        while quantity:
            # While the database writes these, another core signs the next.
            done, (next_quantity, next_tickets) = await asyncio.gather(
                self._write(whose, batch, tickets),
                self._sign(whose.partner_id, batch, signer, to_make - quantity),
            )
            if done is None:
                return
            tell(_making(replace(batch, to_make=done.to_make, unmade=done.unmade)))
            to_make = done.to_make
            quantity, tickets = next_quantity, next_tickets

    async def _sign(
        self, partner_id: int, batch: sql.BatchToMake, signer: Signer, to_make: int
    ) -> tuple[int, str]:
        """How many tickets the next transaction makes, and they themselves."""
        quantity = min(to_make, TICKETS_A_TRANSACTION_MAX)
        codes = await self._generator.take_codes(partner_id, batch.code_prefix, batch.ticket_type, quantity)
        return quantity, await asyncio.to_thread(lambda: as_rows(signed(signer, codes.codes)))

    async def _write(self, whose: OnBehalf, batch: sql.BatchToMake, tickets: str) -> sql.StillToMake | None:
        """What the batch then is, or None when these are not to be made any more."""
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(
                sql.make,
                partner_id=whose.partner_id,
                batch_id=batch.batch_id,
                signing_key_id=batch.signing_key_id,
                tickets=tickets,
                event=BatchGenerated.event_name,
                actor=whose.actor,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
                now=self.runtime.now(),
            )


def check(wanted: BatchRequest) -> None:
    """Invalid, with all that is wrong in the form of what is asked for."""
    errors: list[FieldError] = []
    if not 1 <= wanted.quantity <= QUANTITY_MAX:
        errors.append(FieldError("quantity", field_text("general.range", least=1, most=QUANTITY_MAX)))
    try:
        checked_new_batch_id(wanted.batch_id)
    except ValueError as error:
        errors.append(FieldError("batch", str(error)))
    if wanted.reservation_id is not None and not is_reservation_id(wanted.reservation_id):
        errors.append(FieldError("reservation", field_text("reservation.id")))
    if not wanted.is_large:
        errors.append(FieldError("is_large", field_text("general.true")))
    if errors:
        raise Invalid(errors)


def _check_the_same(batch: sql.BatchToMake, wanted: BatchRequest) -> None:
    if batch.request_digest not in wanted.digests:
        raise BatchIdTaken("differs", wanted.batch_id, batch.quantity, batch.product_id)


def _check_able(batch: sql.BatchToMake) -> None:
    making = _making(batch)
    if making.status is BatchStatus.STOPPED:
        raise BatchStopped(making.batch_id, making.made, making.quantity, making.unmade)
    if making.status is BatchStatus.MAKING and batch.key_retired_at is not None:
        raise BatchKeyRetired(making.batch_id, batch.signing_key_id)


def _making(batch: sql.BatchToMake) -> BatchProgress:
    to_make, unmade = batch.to_make, batch.unmade
    return BatchProgress(
        batch.batch_id,
        batch.product_id,
        batch.quantity,
        batch.quantity - to_make - unmade,
        unmade,
        batch_status(to_make, unmade),
    )


def can_make_here(connections: int) -> bool:
    """Return whether a process with so many connections makes large batches. It must keep one for its requests."""
    if connections > CONNECTIONS:
        return True
    log.warning("making.left_to_others", connections=connections)
    return False
