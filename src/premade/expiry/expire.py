"""Expiring tickets that were not sold by their last day of sale, in the background or by command.

Each transaction is complete in itself. After an interruption, the next pass continues.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from premade.audit.actors import COMMAND_ACTOR, SERVICE
from premade.audit.events import TicketExpiry
from premade.batches.stop import DAY_IS_OVER, stop_generation
from premade.expiry import expire_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import AT_ONCE, Turn
from premade.runtime.clock import Runtime
from premade.runtime.logging import log

EXPIRE_EVERY_SECONDS = 60.0
TICKETS_A_TRANSACTION_MAX = 500
BATCHES_A_PASS_MAX = 1_000
TURN_EVERY_SECONDS = 0.1
EXPIRY_LOCK = 7_214_938_063
"""A PostgreSQL advisory lock. One process at a time expires tickets."""


@dataclass(frozen=True)
class Pass:
    """Result of one pass over the batches whose last day of sale has ended."""

    due: int = 0
    """Number of batches to expire at the start of the pass."""
    ended: int = 0
    """Batches without unused tickets after the pass. A sale can still have locked a ticket of the others."""
    expired: int = 0
    """Tickets that expired."""


@dataclass(frozen=True)
class _Step:
    """Result of one transaction. `ended`: the batch has no unused tickets left."""

    expired: int
    last_code: str
    ended: bool


Report = Callable[[Pass], None]
"""Called after each transaction with the sums so far."""


@dataclass(frozen=True)
class Expirer:
    """Expiry of tickets. `actor`: the actor of its audit events."""

    database: Database
    runtime: Runtime
    actor: str = SERVICE
    waits_for_others: bool = False
    """Whether a pass waits while another process expires tickets. Otherwise the pass ends then."""

    async def pass_once(self, report: Report = lambda _: None) -> Pass:
        """Expire the unused tickets of at most BATCHES_A_PASS_MAX batches whose last day of sale has ended."""
        batches = await self._due()
        total = Pass(due=len(batches))
        for batch in batches:
            after, more = "", True
            while more:
                step = await self._step(batch, after)
                if step is not None:
                    total = Pass(total.due, total.ended + step.ended, total.expired + step.expired)
                    report(total)
                    after, more = step.last_code, step.expired == TICKETS_A_TRANSACTION_MAX
                elif self.waits_for_others:
                    await asyncio.sleep(TURN_EVERY_SECONDS)
                else:
                    return total
        return total

    async def _due(self) -> list[sql.DueBatch]:
        async with self.database.single_statement() as tx:
            return await tx.fetch_all(
                sql.due,
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
                batches_max=BATCHES_A_PASS_MAX,
            )

    async def _step(self, batch: sql.DueBatch, after: str) -> _Step | None:
        async with self.database.transaction() as tx:
            if not await tx.fetch_one(sql.only_one, lock=EXPIRY_LOCK):
                return None
            partner_id, batch_id = batch.partner_id, batch.batch_id
            # The next pass expires a batch that a cancellation or a draw has locked.
            locked = await tx.fetch_one(sql.lock_batch, partner_id=partner_id, batch_id=batch_id)
            if locked is None:
                return _Step(0, after, ended=False)
            now = self.runtime.now()
            tickets = await tx.fetch_one(
                sql.expire,
                partner_id=partner_id,
                batch_id=batch_id,
                product_id=locked.product_id,
                channel=locked.channel,
                after=after,
                tickets_max=TICKETS_A_TRANSACTION_MAX,
                event=TicketExpiry.event_name,
                actor=self.actor,
                now=now,
            )
            assert tickets is not None
            ended = False
            if locked.to_make:
                await stop_generation(tx, partner_id, batch_id, now, actor=self.actor, reason=DAY_IS_OVER)
            if tickets.expired < TICKETS_A_TRANSACTION_MAX:
                ended = (
                    await tx.fetch_one(sql.end_batch, partner_id=partner_id, batch_id=batch_id, now=now)
                    is not None
                )
            return _Step(tickets.expired, tickets.last_code or after, ended)


async def expire_now(database: Database, runtime: Runtime, report: Report) -> Pass:
    """Expire all tickets whose last day of sale has ended.

    In the result, `due` is the number of batches that are left to the service, because a sale or a cancellation has locked
    some of their tickets.
    """
    expirer = Expirer(database, runtime, COMMAND_ACTOR, waits_for_others=True)
    ended = expired = 0
    while True:
        before = Pass(ended, ended, expired)
        last = await expirer.pass_once(lambda so_far, before=before: report(_sum(before, so_far)))
        ended, expired = ended + last.ended, expired + last.expired
        if not last.ended:
            return Pass(last.due, ended, expired)


def _sum(one: Pass, other: Pass) -> Pass:
    return Pass(one.due + other.due, one.ended + other.ended, one.expired + other.expired)


def expire_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task: one pass, and another one at once while more batches are due."""
    expirer = Expirer(database, runtime)

    async def turn() -> float:
        total = await expirer.pass_once()
        if total.expired:
            log.info("ota.tickets.expired", batches=total.ended, tickets=total.expired)
        is_more_due = total.due == BATCHES_A_PASS_MAX and bool(total.ended)
        return AT_ONCE if is_more_due else EXPIRE_EVERY_SECONDS

    return turn
