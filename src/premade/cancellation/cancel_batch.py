"""Taking back all tickets of a batch that are unused, in many small transactions."""

from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from premade.audit.event import ReasonGiven
from premade.audit.events import BatchCancellation, BatchCancellationBegun, TicketCancellation
from premade.audit.idempotency import IdempotencyScope, ReceiptColumns, find_replay, retry_on_key_conflict
from premade.audit.idempotency_sql import EarlierEvent
from premade.audit.record import Acting
from premade.batches.batch import batch_unknown, is_batch_id
from premade.batches.making import stop_making
from premade.cancellation import cancel_batch_sql as sql
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy
from premade.runtime.logging import log
from premade.tickets.change import checked_reason
from premade.values.digest import request_digest

OPERATION = "cancel_batch"
"""What an Idempotency-Key is scoped to, beside the partner."""
BEGINNING = "cancel_batch.begin"
TICKETS_A_TRANSACTION_MAX = 500
_FROM_THE_FIRST = ""


class _EventColumns(ReceiptColumns):
    actor: str
    request_id: str
    batch_id: str
    reason: str


@dataclass(frozen=True)
class BatchToCancel:
    """A batch whose unused tickets are to be taken back."""

    caller: Acting
    request_id: str
    batch_id: str
    reason: str
    idempotency_key: str | None = None

    def keyed(self, operation: str) -> IdempotencyScope:
        """As the record remembers it."""
        digest = request_digest(self.batch_id, self.reason)
        return IdempotencyScope(self.caller.partner_id, operation, self.idempotency_key, digest, _digest_of)

    def told(self, operation: str) -> _EventColumns:
        """What an event says of the request."""
        return {
            **self.keyed(operation).columns,
            "actor": self.caller.actor,
            "request_id": self.request_id,
            "batch_id": self.batch_id,
            "reason": self.reason,
        }


def _digest_of(event: EarlierEvent) -> bytes:
    return request_digest(event.batch_id, checked_reason(ReasonGiven.of(event.data).reason))


@dataclass(frozen=True)
class BatchCancelled:
    """What came of it: how many tickets this request took back, over all its tries, how many it left alone, by
    their state, and how many were not made yet and now never will be. `replayed` when an earlier request with the
    same Idempotency-Key did it.
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
    """A cancellation under way: `beginning` is its first event, which all its tickets' events name; `unmade` tickets
    were not made when it began.
    """

    beginning: int
    unmade: int
    after: str = _FROM_THE_FIRST
    """The code that the transaction before ended with."""


@dataclass(frozen=True)
class BatchCanceller:
    """What taking a batch back needs."""

    database: Database
    runtime: Runtime

    async def cancel(self, asked: BatchToCancel) -> BatchCancelled:
        """The cancelled batch, now or by an earlier request with the same Idempotency-Key.

        BatchUnknown, IdempotencyKeyReused: nothing is changed then. Busy: what was done is kept, and the same
        request with the same key goes on from there.
        """
        state = await retry_on_key_conflict(lambda: self._begin(asked))
        try:
            while isinstance(state, _Begun):
                state = await self._go_on(asked, state)
        except Busy:
            raise Busy("cancellation_locked", asked.batch_id) from None
        if not state.replayed:
            log.info("ota.batches.cancelled", batch_id=state.batch_id, cancelled=state.cancelled)
        return state

    async def _begin(self, asked: BatchToCancel) -> _Begun | BatchCancelled:
        async with self.database.transaction() as tx:
            batch = await _locked(tx, asked)
            if done := await _ended_before(tx, asked):
                return done
            if begun := await find_replay(tx, asked.keyed(BEGINNING)):
                return _Begun(begun.event_id, BatchCancellationBegun.of(begun.data).unmade or 0)
            if batch is None:
                raise batch_unknown(asked.batch_id)
            now = self.runtime.now()
            # From here on none is made any more, so the tickets that there are are all that there will be.
            unmade = await stop_making(
                tx,
                asked.caller.partner_id,
                asked.batch_id,
                now,
                actor=asked.caller.actor,
                reason=asked.reason,
                request_id=asked.request_id,
            )
            beginning = await tx.fetch_one(
                sql.begin,
                **asked.told(BEGINNING),
                event=BatchCancellationBegun.event_name,
                unmade=unmade or None,
                now=now,
            )
            assert beginning is not None
            return _Begun(beginning, unmade)

    async def _go_on(self, asked: BatchToCancel, begun: _Begun) -> _Begun | BatchCancelled:
        """One transaction's worth."""
        async with self.database.transaction() as tx:
            batch = await _locked(tx, asked)
            assert batch is not None
            if done := await _ended_before(tx, asked):
                return done
            # Waits for one ticket at most, and while nothing else is held that a sale needs.
            if await tx.fetch_one(
                sql.wait_for_unused,
                partner_id=asked.caller.partner_id,
                batch_id=asked.batch_id,
                after=begun.after,
            ):
                last = await tx.fetch_one(
                    sql.cancel_unused,
                    partner_id=asked.caller.partner_id,
                    batch_id=asked.batch_id,
                    product_id=batch.product_id,
                    channel=batch.channel,
                    event=TicketCancellation.event_name,
                    actor=asked.caller.actor,
                    request_id=asked.request_id,
                    reason=asked.reason,
                    beginning=begun.beginning,
                    after=begun.after,
                    tickets_max=TICKETS_A_TRANSACTION_MAX,
                    now=self.runtime.now(),
                )
                assert last is not None
                return replace(begun, after=last)
            if begun.after != _FROM_THE_FIRST:
                # Once more for those that a sale held when they were passed, and that it let go.
                return replace(begun, after=_FROM_THE_FIRST)
            return await self._end(tx, asked, begun)

    async def _end(self, tx: Transaction, asked: BatchToCancel, begun: _Begun) -> BatchCancelled:
        rows = await tx.fetch_all(
            sql.count_by_state,
            partner_id=asked.caller.partner_id,
            batch_id=asked.batch_id,
            event=TicketCancellation.event_name,
            beginning=begun.beginning,
        )
        cancelled = sum(row.tickets for row in rows if row.by_this)
        left_alone = {row.status: row.tickets for row in rows if not row.by_this}
        cancelled_at = await tx.fetch_one(
            sql.end,
            **asked.told(OPERATION),
            event=BatchCancellation.event_name,
            cancelled=cancelled,
            left_alone=orjson.dumps(left_alone).decode(),
            unmade=begun.unmade or None,
            now=self.runtime.now(),
        )
        assert cancelled_at is not None
        return BatchCancelled(
            asked.batch_id,
            cancelled_at,
            asked.reason,
            cancelled,
            left_alone,
            begun.unmade,
            replayed=False,
        )


async def _locked(tx: Transaction, asked: BatchToCancel) -> sql.BatchWithChannel | None:
    """The batch; two cancellations of it take turns."""
    if not is_batch_id(asked.batch_id):
        return None
    return await tx.fetch_one(
        sql.batch_to_cancel, partner_id=asked.caller.partner_id, batch_id=asked.batch_id
    )


async def _ended_before(tx: Transaction, asked: BatchToCancel) -> BatchCancelled | None:
    event = await find_replay(tx, asked.keyed(OPERATION))
    if event is None:
        return None
    done = BatchCancellation.of(event.data)
    return BatchCancelled(
        asked.batch_id,
        event.occurred_at,
        done.reason,
        done.cancelled,
        done.left_alone,
        done.unmade or 0,
        replayed=True,
    )
