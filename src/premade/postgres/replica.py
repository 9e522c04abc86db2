"""Reads on a replica: a standby that streams from the primary. Each read sees everything committed before it began.

The primary says how far its write-ahead log is. The read waits until the replica has applied the log up to there. So a read
on the replica is as current as one on the primary, for each client, and needs no memory of who wrote what.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

from premade.postgres.pool import CHECK_SECONDS_MAX, Pool, hard_timeout
from premade.runtime.errors import Busy, DatabaseAway
from premade.runtime.metrics import READS
from premade.runtime.outage import Outage
from premade.runtime.single_flight import SingleFlightCache

CATCH_UP_SECONDS_MAX = 1.0
"""How long a read waits for the replica. Then the primary answers it."""
CATCH_UP_EVERY_SECONDS = 0.005
CONNECTION_WAIT_SECONDS_MAX = 1.0
LEFT_ALONE_SECONDS = 5.0
"""After a failure, all reads go to the primary for this time, so that they do not wait for the replica each."""

# A standby of a lost timeline may be further in the log than the new primary, with other content.
POSITION = b"""
SELECT pg_current_wal_flush_lsn()::text, pg_walfile_name(pg_current_wal_lsn()), system_identifier::text
FROM pg_control_system()
"""
_HAS_APPLIED = b"""
SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn
    AND ('x' || left(%s, 8))::bit(32)::int
        = greatest(checkpoint.timeline_id, recovery.min_recovery_end_timeline)
    AND system.system_identifier::text = %s
FROM pg_control_system() AS system, pg_control_checkpoint() AS checkpoint, pg_control_recovery() AS recovery
"""

Position = tuple[str, str, str]
"""Position in the write-ahead log, name of its file (which begins with the timeline), id of the database system."""


class ReplicaPool(Pool):
    """Connections to the replica. It takes no writes."""

    async def check_connection(self, conn: AsyncConnection[TupleRow]) -> None:
        """Raise if the connection is broken."""
        async with hard_timeout(conn, CHECK_SECONDS_MAX):
            await conn.execute(b"SELECT")


class ReplicaBehind(Exception):
    """The replica has not applied what the primary had committed, or it is no replica of this primary."""


class Replica:
    """A replica, as one process uses it."""

    def __init__(self, pool: ReplicaPool, position_of_primary: Callable[[], Awaitable[Position]]) -> None:
        self._pool = pool

        async def position(_: None) -> Position:
            return await position_of_primary()

        # Reads that begin at the same time share one question to the primary.
        self._positions = SingleFlightCache[None, Position](position, time.monotonic)
        self._outage = Outage("database.replica_away")
        self._left_alone_until = 0.0

    @asynccontextmanager
    async def connection(self, *, is_long: bool) -> AsyncGenerator[AsyncConnection[TupleRow] | None]:
        """Yield a connection whose server has applied everything that was committed before. None if there is none.

        `is_long`: long reads leave connections to the others.

        Raises:
            DatabaseAway: the primary does not say how far it is.
        """
        async with AsyncExitStack() as stack:
            connection = None
            if time.monotonic() >= self._left_alone_until:
                position = await self._positions.get_fresh(None)
                try:
                    connection = await stack.enter_async_context(self._acquire(is_long=is_long))
                    await _wait_until_applied(connection, position)
                    self._outage.end()
                except Busy:
                    # All connections to the replica are in use, perhaps because it hangs. The primary has its own.
                    connection = None
                except (ReplicaBehind, psycopg.Error, PoolTimeout, DatabaseAway) as error:
                    connection = None
                    self._left_alone_until = time.monotonic() + LEFT_ALONE_SECONDS
                    self._outage.begin(
                        type(error).__name__,
                        does="the primary answers all reads until the replica has caught up",
                    )
                    await stack.aclose()
            READS.labels("primary" if connection is None else "replica").inc()
            yield connection

    def _acquire(self, *, is_long: bool) -> AbstractAsyncContextManager[AsyncConnection[TupleRow]]:
        if is_long:
            return self._pool.long_reads.connection_of(self._pool, CONNECTION_WAIT_SECONDS_MAX)
        return self._pool.acquire(CONNECTION_WAIT_SECONDS_MAX)


async def has_caught_up(dsn: str, position: Position) -> bool:
    """Return whether the server is a replica that applies the log up to the position within CATCH_UP_SECONDS_MAX.

    Raises:
        psycopg.OperationalError: it does not answer.
    """
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        try:
            await _wait_until_applied(connection, position)
        except ReplicaBehind:
            return False
    return True


async def _wait_until_applied(connection: AsyncConnection[TupleRow], position: Position) -> None:
    deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
    async with hard_timeout(connection, CATCH_UP_SECONDS_MAX + CHECK_SECONDS_MAX):
        while True:
            cursor = await connection.execute(_HAS_APPLIED, position, prepare=True)
            row = await cursor.fetchone()
            if row is not None and row[0]:
                return
            if time.monotonic() >= deadline:
                raise ReplicaBehind
            await asyncio.sleep(CATCH_UP_EVERY_SECONDS)
