"""Generating a large batch of the operator in many transactions.

The first transaction creates the batch and takes all of its stock. Each further one generates some tickets and lowers
`to_make` of the batch by their number. So the database always has what is left to do, and any process can continue.
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
from premade.batches.stop import DAY_IS_OVER, stop_generation
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
LOCK_WAIT_SECONDS = 2.0
"""The lock of a process that was killed is released within milliseconds."""
CONNECTIONS = 3
"""Connections that generating one batch needs: for the advisory lock, to write tickets, and to issue the next codes."""
BY_COMMAND = "Stopped by its operator"
LOOK_EVERY_SECONDS = 2.0
"""How often a process of the service looks for unfinished batches."""
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
    """Progress of a batch: `made` tickets of `quantity` are generated; `unmade` will never be."""

    batch_id: str
    product_id: int
    quantity: int
    made: int
    unmade: int
    status: BatchStatus


Report = Callable[[BatchProgress], None]
"""Called after each transaction."""


@dataclass(frozen=True)
class LargeBatches:
    """Generation of large batches. The database's pool must have CONNECTIONS."""

    database: Database
    runtime: Runtime
    signers: Signers

    async def generate(
        self, caller: OnBehalf, request: BatchRequest, report: Report = lambda _: None
    ) -> BatchProgress:
        """Generate the whole batch, or continue the unfinished batch of the same request.

        Raises:
            Invalid: the request is not valid.
            ProductUnknown, BatchIdTaken, StockShort: see `Generator.generate`. Nothing is written.
            BatchBeingMade: another process generates this batch.
            BatchStopped, BatchKeyRetired: the batch cannot be continued.
            Busy, DatabaseAway: the tickets generated so far are kept. The same call continues.
        """
        check(request)
        async with self._lock(caller, request.batch_id, LOCK_WAIT_SECONDS) as is_locked:
            if not is_locked:
                batch = await self._batch(caller.partner_id, request.batch_id)
                raise BatchBeingMade(request.batch_id, 0 if batch is None else _progress(batch).made)
            batch = await self._create(caller, request)
            report(_progress(batch))
            return await self._generate_rest(caller, batch, report)

    async def begin(
        self, caller: OnBehalf, request: BatchRequest, request_id: str | None = None
    ) -> BatchProgress:
        """Create the batch with all of its stock and without tickets. The service generates them.

        A batch of the same request that exists already is returned as it is. The errors are those of `generate`, without
        BatchBeingMade.
        """
        check(request)
        return _progress(await self._create(caller, request, request_id))

    async def resume(self, caller: OnBehalf, batch_id: str) -> None:
        """Generate the missing tickets of a batch, unless another process does.

        Raises:
            BatchStopped, BatchKeyRetired: the batch cannot be continued.
        """
        async with self._lock(caller, batch_id, wait_seconds_max=0.0) as is_locked:
            batch = await self._batch(caller.partner_id, batch_id) if is_locked else None
            if batch is not None and batch.to_make:
                await self._generate_rest(caller, await self._continuable(caller, batch), lambda _: None)

    async def resume_all(self) -> None:
        """Generate the missing tickets of all partners' batches, one batch after the other, the oldest first.

        An error of one batch is logged, and the next batch follows.

        Raises:
            DatabaseAway: the database does not respond.
        """
        async with self.database.single_statement() as tx:
            rows = await tx.fetch_all(
                sql.unfinished,
                begun=BatchGenerationBegun.event_name,
                now=self.runtime.now(),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
                batches_max=BATCHES_A_LOOK_MAX,
            )
        for row in rows:
            try:
                await self.resume(OnBehalf(row.partner_id, row.channel, row.actor), row.batch_id)
            except DatabaseAway:
                raise
            except DomainError as error:
                log.info("making.left", batch_id=row.batch_id, reason=error.code)
            except Exception:  # noqa: BLE001  (an unknown error of one batch must not stop the others)
                log.exception("making.failed", batch_id=row.batch_id)

    async def continue_turn(self) -> float:
        """Continue unfinished batches in the background; return the seconds until the next look."""
        await self.resume_all()
        return LOOK_EVERY_SECONDS

    def _lock(
        self, caller: OnBehalf, batch_id: str, wait_seconds_max: float
    ) -> AbstractAsyncContextManager[bool]:
        return self.database.advisory_lock(f"{caller.partner_id}:{batch_id}", wait_seconds_max)

    async def progress(self, partner_id: int, batch_id: str) -> BatchProgress:
        """Return the progress of a batch.

        Raises:
            BatchUnknown: the partner has no such batch.
        """
        batch = await self._batch(partner_id, batch_id) if is_batch_id(batch_id) else None
        if batch is None:
            raise batch_unknown(batch_id)
        return _progress(batch)

    async def stop(self, caller: OnBehalf, batch_id: str, reason: str = BY_COMMAND) -> BatchProgress:
        """Stop the generation of a batch. Its tickets stay, and the stock of the missing tickets is available again.

        Stopping a stopped batch has no effect.

        Raises:
            BatchUnknown: the partner has no such batch.
            BatchMade: all of its tickets are generated.
        """
        await self.progress(caller.partner_id, batch_id)
        await self._stop(caller, batch_id, reason)
        progress = await self.progress(caller.partner_id, batch_id)
        if progress.status is BatchStatus.MADE:
            raise BatchMade(batch_id, progress.quantity)
        return progress

    async def _stop(self, caller: OnBehalf, batch_id: str, reason: str) -> None:
        async with self.database.single_statement() as tx:
            now = self.runtime.now()
            await stop_generation(tx, caller.partner_id, batch_id, now, actor=caller.actor, reason=reason)

    async def _batch(self, partner_id: int, batch_id: str) -> sql.LargeBatch | None:
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(
                sql.large_batch,
                partner_id=partner_id,
                batch_id=batch_id,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )

    async def _create(
        self, caller: OnBehalf, request: BatchRequest, request_id: str | None = None
    ) -> sql.LargeBatch:
        """Return the batch of the request, and create it if it does not exist.

        Raises:
            BatchIdTaken: the batch is of another request.
            BatchStopped, BatchKeyRetired: the batch cannot be continued.
        """
        batch = await self._batch(caller.partner_id, request.batch_id)
        if batch is None:
            # A concurrent request for the same batch may have created it.
            with suppress(BatchIdTaken):
                await self._generator.take_stock(caller, request, request_id)
            batch = await self._batch(caller.partner_id, request.batch_id)
        assert batch is not None
        if batch.request_digest not in request.digests:
            raise BatchIdTaken("differs", request.batch_id, batch.quantity, batch.product_id)
        return await self._continuable(caller, batch)

    async def _continuable(self, caller: OnBehalf, batch: sql.LargeBatch) -> sql.LargeBatch:
        """Return the batch if it is complete or can be continued. Stop it if its last day of sale has ended.

        Raises:
            BatchStopped, BatchKeyRetired: the batch cannot be continued.
        """
        if batch.to_make and batch.is_over:
            await self._stop(caller, batch.batch_id, DAY_IS_OVER)
            stopped = await self._batch(caller.partner_id, batch.batch_id)
            assert stopped is not None
            batch = stopped
        progress = _progress(batch)
        if progress.status is BatchStatus.STOPPED:
            raise BatchStopped(progress.batch_id, progress.made, progress.quantity, progress.unmade)
        if progress.status is BatchStatus.MAKING and batch.key_retired_at is not None:
            raise BatchKeyRetired(progress.batch_id, batch.signing_key_id)
        return batch

    async def _generate_rest(self, caller: OnBehalf, batch: sql.LargeBatch, report: Report) -> BatchProgress:
        was_unfinished = bool(batch.to_make)
        while batch.to_make:
            await self._generate_tickets(caller, batch, report)
            current = await self._batch(caller.partner_id, batch.batch_id)
            assert current is not None
            batch = await self._continuable(caller, current)
        if was_unfinished:
            log.info(
                "ota.tickets.bulk_generated",
                batch_id=batch.batch_id,
                product_id=batch.product_id,
                quantity=batch.quantity,
            )
        return _progress(batch)

    @property
    def _generator(self) -> Generator:
        return Generator(self.database, self.runtime, self.signers)

    async def _generate_tickets(self, caller: OnBehalf, batch: sql.LargeBatch, report: Report) -> None:
        """Run one transaction after the other, until no ticket is missing or the batch was changed meanwhile."""
        signer = await self.signers.by_id(batch.signing_key_id)
        to_make = batch.to_make
        quantity, tickets = await self._sign(caller.partner_id, batch, signer, to_make)
        while quantity:
            # While the database writes these tickets, another core signs the next ones.
            row, (next_quantity, next_tickets) = await asyncio.gather(
                self._write(caller, batch, tickets),
                self._sign(caller.partner_id, batch, signer, to_make - quantity),
            )
            if row is None:
                return
            report(_progress(replace(batch, to_make=row.to_make, unmade=row.unmade)))
            to_make = row.to_make
            quantity, tickets = next_quantity, next_tickets

    async def _sign(
        self, partner_id: int, batch: sql.LargeBatch, signer: Signer, to_make: int
    ) -> tuple[int, str]:
        """Return the number of tickets of the next transaction, and the tickets as a JSON parameter."""
        quantity = min(to_make, TICKETS_A_TRANSACTION_MAX)
        issued = await self._generator.take_codes(partner_id, batch.code_prefix, batch.ticket_type, quantity)
        return quantity, await asyncio.to_thread(lambda: as_rows(signed(signer, issued.codes)))

    async def _write(
        self, caller: OnBehalf, batch: sql.LargeBatch, tickets: str
    ) -> sql.MissingTickets | None:
        """Write the tickets. Return None, and write nothing, if the batch was stopped or has another key by now."""
        async with self.database.single_statement() as tx:
            return await tx.fetch_one(
                sql.write_tickets,
                partner_id=caller.partner_id,
                batch_id=batch.batch_id,
                signing_key_id=batch.signing_key_id,
                tickets=tickets,
                event=BatchGenerated.event_name,
                actor=caller.actor,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
                now=self.runtime.now(),
            )


def check(request: BatchRequest) -> None:
    """Check the form of the request.

    Raises:
        Invalid: it lists all fields that are wrong.
    """
    errors: list[FieldError] = []
    if not 1 <= request.quantity <= QUANTITY_MAX:
        errors.append(FieldError("quantity", field_text("general.range", least=1, most=QUANTITY_MAX)))
    try:
        checked_new_batch_id(request.batch_id)
    except ValueError as error:
        errors.append(FieldError("batch", str(error)))
    if request.reservation_id is not None and not is_reservation_id(request.reservation_id):
        errors.append(FieldError("reservation", field_text("reservation.id")))
    if not request.is_large:
        errors.append(FieldError("is_large", field_text("general.true")))
    if errors:
        raise Invalid(errors)


def _progress(batch: sql.LargeBatch) -> BatchProgress:
    to_make, unmade = batch.to_make, batch.unmade
    return BatchProgress(
        batch.batch_id,
        batch.product_id,
        batch.quantity,
        batch.quantity - to_make - unmade,
        unmade,
        batch_status(to_make, unmade),
    )


def can_generate_here(connections: int) -> bool:
    """Return whether a process with so many connections generates large batches. It must keep one for its requests."""
    return connections > CONNECTIONS
