"""Expiring tickets that were not sold by their last day of sale, in the background or by command.

Whatever stops it anywhere: a transaction is whole, and the next turn goes on from there.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from premade.audit.actors import COMMAND_ACTOR, SERVICE
from premade.audit.events import TicketExpiry
from premade.batches.making import DAY_IS_OVER, stop_making
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
"""A PostgreSQL advisory lock: of all processes one expires at a time."""


@dataclass(frozen=True)
class Pass:
    """What one pass over the batches that are due came to. A batch is not `ended` while a sale holds a ticket of it."""

    due: int = 0
    ended: int = 0
    expired: int = 0


@dataclass(frozen=True)
class _Step:
    """One transaction: how many tickets it expired, the last one's code, whether the batch has none unused left."""

    expired: int
    last_code: str
    ended: bool


Tell = Callable[[Pass], None]
"""Called after each transaction with what the pass came to so far."""


@dataclass(frozen=True)
class Expirer:
    """What expiring needs. `actor` as the audit record names who does it."""

    database: Database
    runtime: Runtime
    actor: str = SERVICE
    is_patient: bool = False
    """Whether it waits while it is another process's turn; otherwise the pass ends there."""

    async def pass_once(self, tell: Tell = lambda _: None) -> Pass:
        """Over the batches that are due, BATCHES_A_PASS_MAX at most."""
        batches = await self._due()
        found = Pass(due=len(batches))
        for batch in batches:
            after, more = "", True
            while more:
                step = await self._step(batch, after)
                if step is not None:
                    found = Pass(found.due, found.ended + step.ended, found.expired + step.expired)
                    tell(found)
                    after, more = step.last_code, step.expired == TICKETS_A_TRANSACTION_MAX
                elif self.is_patient:
                    await asyncio.sleep(TURN_EVERY_SECONDS)
                else:
                    return found
        return found

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
            # One that is being cancelled or drawn from is left to the next pass.
            held = await tx.fetch_one(sql.hold_batch, partner_id=partner_id, batch_id=batch_id)
            if held is None:
                return _Step(0, after, ended=False)
            now = self.runtime.now()
            done = await tx.fetch_one(
                sql.expire,
                partner_id=partner_id,
                batch_id=batch_id,
                product_id=held.product_id,
                channel=held.channel,
                after=after,
                tickets_max=TICKETS_A_TRANSACTION_MAX,
                event=TicketExpiry.event_name,
                actor=self.actor,
                now=now,
            )
            assert done is not None
            ended = False
            if held.to_make:
                await stop_making(tx, partner_id, batch_id, now, actor=self.actor, reason=DAY_IS_OVER)
            if done.expired < TICKETS_A_TRANSACTION_MAX:
                ended = (
                    await tx.fetch_one(sql.end_batch, partner_id=partner_id, batch_id=batch_id, now=now)
                    is not None
                )
            return _Step(done.expired, done.last_code or after, ended)


async def expire_now(database: Database, runtime: Runtime, tell: Tell) -> Pass:
    """Everything that is due, waiting for turns. In what it answers, `due` are the batches that are left to the
    service: a sale, or a cancellation, holds something of them.
    """
    expirer = Expirer(database, runtime, COMMAND_ACTOR, is_patient=True)
    ended = expired = 0
    while True:
        before = Pass(ended, ended, expired)
        found = await expirer.pass_once(lambda so_far, before=before: tell(_sum(before, so_far)))
        ended, expired = ended + found.ended, expired + found.expired
        if not found.ended:
            return Pass(found.due, ended, expired)


def _sum(one: Pass, other: Pass) -> Pass:
    return Pass(one.due + other.due, one.ended + other.ended, one.expired + other.expired)


def expire_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task: one pass, and at once another while there is more."""
    expirer = Expirer(database, runtime)

    async def turn() -> float:
        found = await expirer.pass_once()
        if found.expired:
            log.info("ota.tickets.expired", batches=found.ended, tickets=found.expired)
        is_more_due = found.due == BATCHES_A_PASS_MAX and bool(found.ended)
        return AT_ONCE if is_more_due else EXPIRE_EVERY_SECONDS

    return turn
