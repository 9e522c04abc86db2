"""The quota of exports and snapshots that a partner has at once, over all workers and machines.

Each takes one of the partner's places in the database until its response is sent. A place is leased: its worker renews it.
If the worker crashes, the place is free again after LEASE_SECONDS.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from premade.limits import long_reads_sql as sql
from premade.limits.partner_limits import LONG_READS
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime
from premade.runtime.errors import TooMany, Unavailable

LEASE_SECONDS = 30.0
RENEW_EVERY_SECONDS = 10.0
RETRY_AFTER_SECONDS = 5
TRY_SECONDS = (0.0, 0.1, 0.2)
"""Pauses before each try. A place is free only after the client has the whole response, and may have sent the next request."""
_HOLDER_BYTES = 16


@dataclass(eq=False)
class TooManyLongReads(TooMany):
    """The partner has as many exports and snapshots in progress as its quota permits."""

    code = "TOO_MANY_LONG_READS"
    published = ("quota", "limit")

    quota: str
    limit: int


class LongReads:
    """Places of exports and snapshots."""

    def __init__(self, database: Database, runtime: Runtime, at_once_max: int) -> None:
        """`at_once_max`: the quota of a partner without its own; 0 for none."""
        self._database = database
        self._runtime = runtime
        self._at_once_max = at_once_max
        self._held: dict[UUID, tuple[int, int]] = {}
        """Partner and place, by holder."""

    @asynccontextmanager
    async def place(self, partner_id: int | None, own: Mapping[str, int]) -> AsyncGenerator[None]:
        """Hold one of the partner's places during the block. The operator (None) has no quota. `own`: the partner's own limits.

        Raises:
            TooManyLongReads: all places are in use.
        """
        limit = own.get(LONG_READS, self._at_once_max)
        if partner_id is None or not limit:
            yield
            return
        holder = UUID(bytes=self._runtime.random_bytes(_HOLDER_BYTES))
        self._held[holder] = partner_id, await self._take(partner_id, limit, holder)
        try:
            yield
        finally:
            _, place = self._held.pop(holder)
            # Without the database, the lease ends by itself.
            with suppress(Unavailable):
                async with self._database.single_statement() as tx:
                    await tx.execute(sql.leave_place, partner_id=partner_id, place=place, holder=holder)

    async def _take(self, partner_id: int, limit: int, holder: UUID) -> int:
        for seconds in TRY_SECONDS:
            await asyncio.sleep(seconds)
            async with self._database.single_statement() as tx:
                place = await tx.fetch_one(
                    sql.take_place, partner_id=partner_id, places=limit, holder=holder, seconds=LEASE_SECONDS
                )
            if place is not None:
                return place
        raise TooManyLongReads(RETRY_AFTER_SECONDS, LONG_READS, limit)

    async def renew(self) -> None:
        """Renew all places of this process."""
        if self._held:
            held = dict(self._held)
            async with self._database.single_statement() as tx:
                await tx.execute(
                    sql.renew_places,
                    partner_ids=[partner_id for partner_id, _ in held.values()],
                    places=[place for _, place in held.values()],
                    holders=list(held),
                    seconds=LEASE_SECONDS,
                )


def renew_turn(long_reads: LongReads) -> Turn:
    """Return the turn of the background task that renews places."""

    async def turn() -> float:
        await long_reads.renew()
        return RENEW_EVERY_SECONDS

    return turn
