"""Readiness of a worker: it is not stopping, and its database answers, is current and accepts writes."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from psycopg.errors import ReadOnlySqlTransaction

from premade.http.connection_limits import Clients
from premade.monitoring import readiness_sql as sql
from premade.postgres.database import Database
from premade.postgres.migrations import lack_of
from premade.runtime.clock import Runtime
from premade.runtime.errors import Unavailable
from premade.runtime.outage import Outage
from premade.runtime.single_flight import SingleFlightCache

READY_SECONDS_MAX = 2.0
"""Limit for one statement; shorter than the usual time-out of a health check."""
WRITE_EVERY_SECONDS = 1.0
"""However often /readyz is called, the database is checked at most this often."""
LOOK_EVERY_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 1.0
"""Pause between checks while the worker is not ready."""
CLOCKS_APART_MAX = timedelta(seconds=30)


@dataclass(eq=False)
class NotReady(Unavailable):
    """The process runs but must not get requests: it is starting, stopping, or its database is not usable."""

    code = "NOT_READY"

    reason: Literal["stopping", "schema", "sessions", "clocks"]
    lack: str = ""
    """Difference between the database's schema and this version's."""
    apart_seconds: float = 0
    apart_seconds_max: float = 0


class Readiness:
    """Readiness of one worker. It accepts requests after the first successful check."""

    def __init__(self, database: Database, runtime: Runtime, clients: Clients) -> None:
        self._database = database
        self._runtime = runtime
        self._clients = clients
        self._outage = Outage("service.not_ready")
        self._checks = SingleFlightCache[None, Unavailable | None](
            lambda _: self._check(), runtime.monotonic_seconds
        )
        self._written_at = -WRITE_EVERY_SECONDS
        self.admitted = asyncio.Event()

    async def refusal(self) -> Unavailable | None:
        """Return why the worker is not ready, or None if it is."""
        if self._clients.is_draining:
            return NotReady("stopping")
        return await self._checks.get_fresh(None)

    async def look_turn(self) -> float:
        """Check in the background, so that the log says when the worker stopped being ready, even if nobody calls /readyz."""
        refusal = await self.refusal()
        return LOOK_AGAIN_SECONDS if refusal else LOOK_EVERY_SECONDS

    async def _check(self) -> Unavailable | None:
        try:
            refusal = await self._check_database()
        except Unavailable as error:
            refusal = error
        if refusal is None:
            self._outage.end()
        else:
            self._outage.begin(reason=refusal.code, detail=refusal.detail)
        return refusal

    async def _check_database(self) -> Unavailable | None:
        async with self._database.single_statement(READY_SECONDS_MAX, is_check=True) as tx:
            state = await tx.fetch_one(sql.check_readiness)
            assert state is not None
            applied = await tx.fetch_all(sql.applied_migrations) if state.is_migrated else []
            if lack := lack_of(set(applied)):
                return NotReady("schema", lack)
            if not self.admitted.is_set():
                if await self._database.sessions_are_shared():
                    return NotReady("sessions")
                self._database.admit()
                self.admitted.set()
            if state.takes_no_writes:
                # The same error as for a write, so the connection is closed: a new one may reach the new primary.
                raise ReadOnlySqlTransaction
            if time.monotonic() - self._written_at >= WRITE_EVERY_SECONDS:
                await tx.fetch_one(sql.try_write)
                self._written_at = time.monotonic()
        apart = abs(state.database_now - self._runtime.now())
        if apart > CLOCKS_APART_MAX:
            return NotReady(
                "clocks",
                apart_seconds=apart.total_seconds(),
                apart_seconds_max=CLOCKS_APART_MAX.total_seconds(),
            )
        return None
