"""Cancelling all unused tickets of a batch, in many short transactions."""

from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from premade.audit.events import BatchCancellation, BatchCancellationBegun, TicketCancellation
from premade.audit.idempotency import Overtaken, ReceiptColumns, RequestIdentity
from premade.audit.idempotency_sql import EventReceipt
from premade.audit.record import Acting
from premade.batches.batch import batch_unknown, is_batch_id
from premade.batches.stop import stop_generation
from premade.cancellation import cancel_batch_sql as sql
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy
from premade.runtime.logging import log
from premade.tickets.change import ChangeOperation
from premade.values.digest import request_digest

OPERATION = "cancel_batch"
BEGINNING = "cancel_batch.begin"
"""The first transaction leaves a receipt too, so that a retry continues."""
TICKETS_A_TRANSACTION_MAX = 500
_FROM_THE_FIRST = ""


class _EventColumns(ReceiptColumns):
    actor: str
    request_id: str
    batch_id: str
    reason: str


@dataclass(frozen=True)
class CancelBatchRequest:
    """A request to cancel the unused tickets of a batch."""

    caller: Acting
    request_id: str
    batch_id: str
    reason: str
    idempotency_key: str | None = None
    operation: str = OPERATION

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: batch and reason."""
        digest = request_digest(self.batch_id, self.reason)
        return RequestIdentity(self.caller.partner_id, self.operation, self.idempotency_key, (digest,))

    @property
    def columns(self) -> _EventColumns:
        """Return the columns of the event that this request writes."""
        return {
            **self.identity.columns,
            "actor": self.caller.actor,
            "request_id": self.request_id,
            "batch_id": self.batch_id,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class BatchCancelled:
    """Result of a cancellation; `replayed`: an earlier request with the same Idempotency-Key finished it.

    `cancelled`: tickets that requests with this key cancelled. `left_alone`: the other tickets, by state. `unmade`: tickets
    of a large batch that will never be generated.
    """

    batch_id: str
    cancelled_at: datetime
    reason: str
    cancelled: int
    left_alone: dict[str, int]
    unmade: int
    replayed: bool


@dataclass(frozen=True)
class _Begun:
    """Unfinished cancellation. The events of its tickets name its first event, `beginning`."""

    beginning: int
    unmade: int
    """Tickets that were not generated yet when the cancellation began."""
    after: str = _FROM_THE_FIRST
    """The last ticket code of the previous transaction."""


@dataclass(frozen=True)
class _Beginning(ChangeOperation[CancelBatchRequest, _Begun]):
    """The first transaction of a cancellation. A retry continues after it."""

    runtime: Runtime

    async def replay(self, request: CancelBatchRequest, row: EventReceipt) -> _Begun:  # noqa: ARG002  (the row has all)
        return _Begun(row.event_id, BatchCancellationBegun.of(row.data).unmade or 0)

    async def attempt(self, request: CancelBatchRequest) -> _Begun:
        async with self.database.transaction() as tx:
            await _lock_batch(tx, request)
            now = self.runtime.now()
            # After this, no more tickets are generated, so the existing tickets are all there will be.
            unmade = await stop_generation(
                tx,
                request.caller.partner_id,
                request.batch_id,
                now,
                actor=request.caller.actor,
                reason=request.reason,
                request_id=request.request_id,
            )
            event_id = await tx.fetch_one(
                sql.begin,
                **request.columns,
                event=BatchCancellationBegun.event_name,
                unmade=unmade or None,
                now=now,
            )
            assert event_id is not None
            return _Begun(event_id, unmade)


@dataclass(frozen=True)
class BatchCanceller(ChangeOperation[CancelBatchRequest, BatchCancelled]):
    """Cancellation of the unused tickets of batches."""

    runtime: Runtime

    async def cancel(self, request: CancelBatchRequest) -> BatchCancelled:
        """Cancel the unused tickets, or return the result of the earlier request with the same Idempotency-Key.

        Raises:
            BatchUnknown: the partner has no such batch.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked a ticket. Some tickets may be cancelled already. The same request with the
                same key continues.
        """
        return await self.run(request)

    async def replay(self, request: CancelBatchRequest, row: EventReceipt) -> BatchCancelled:
        """Return the result of the request that left this event."""
        event = BatchCancellation.of(row.data)
        return BatchCancelled(
            request.batch_id,
            row.occurred_at,
            event.reason,
            event.cancelled,
            event.left_alone,
            event.unmade or 0,
            replayed=True,
        )

    async def attempt(self, request: CancelBatchRequest) -> BatchCancelled:
        """Cancel the unused tickets. The errors are those of `cancel`."""
        state = await self._begin(request)
        try:
            while isinstance(state, _Begun):
                state = await self._continue(request, state)
        except Busy:
            raise Busy("cancellation_locked", request.batch_id) from None
        log.info("ota.batches.cancelled", batch_id=state.batch_id, cancelled=state.cancelled)
        return state

    async def _begin(self, request: CancelBatchRequest) -> _Begun:
        return await _Beginning(self.database, self.runtime).run(replace(request, operation=BEGINNING))

    async def _continue(self, request: CancelBatchRequest, begun: _Begun) -> _Begun | BatchCancelled:
        """Run one transaction. The batch is locked, so two cancellations of it take turns."""
        async with self.database.transaction() as tx:
            batch = await _lock_batch(tx, request)
            if request.idempotency_key and await self.find_receipt(tx, request):
                raise Overtaken
            # Wait for at most one ticket, before this transaction holds anything that a sale needs.
            if await tx.fetch_one(
                sql.wait_for_unused,
                partner_id=request.caller.partner_id,
                batch_id=request.batch_id,
                after=begun.after,
            ):
                last = await tx.fetch_one(
                    sql.cancel_unused,
                    partner_id=request.caller.partner_id,
                    batch_id=request.batch_id,
                    product_id=batch.product_id,
                    channel=batch.channel,
                    event=TicketCancellation.event_name,
                    actor=request.caller.actor,
                    request_id=request.request_id,
                    reason=request.reason,
                    beginning=begun.beginning,
                    after=begun.after,
                    tickets_max=TICKETS_A_TRANSACTION_MAX,
                    now=self.runtime.now(),
                )
                assert last is not None
                return replace(begun, after=last)
            if begun.after != _FROM_THE_FIRST:
                # Start again for tickets that a sale had locked and then released.
                return replace(begun, after=_FROM_THE_FIRST)
            return await self._end(tx, request, begun)

    async def _end(self, tx: Transaction, request: CancelBatchRequest, begun: _Begun) -> BatchCancelled:
        rows = await tx.fetch_all(
            sql.count_by_state,
            partner_id=request.caller.partner_id,
            batch_id=request.batch_id,
            event=TicketCancellation.event_name,
            beginning=begun.beginning,
        )
        cancelled = sum(row.tickets for row in rows if row.by_this)
        left_alone = {row.status: row.tickets for row in rows if not row.by_this}
        cancelled_at = await tx.fetch_one(
            sql.end,
            **request.columns,
            event=BatchCancellation.event_name,
            cancelled=cancelled,
            left_alone=orjson.dumps(left_alone).decode(),
            unmade=begun.unmade or None,
            now=self.runtime.now(),
        )
        assert cancelled_at is not None
        return BatchCancelled(
            request.batch_id,
            cancelled_at,
            request.reason,
            cancelled,
            left_alone,
            begun.unmade,
            replayed=False,
        )


async def _lock_batch(tx: Transaction, request: CancelBatchRequest) -> sql.BatchWithChannel:
    """Lock the batch and return it.

    Raises:
        BatchUnknown: the partner has no such batch.
    """
    batch = None
    if is_batch_id(request.batch_id):
        batch = await tx.fetch_one(
            sql.batch_to_cancel, partner_id=request.caller.partner_id, batch_id=request.batch_id
        )
    if batch is None:
        raise batch_unknown(request.batch_id)
    return batch
