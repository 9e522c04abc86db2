"""The database: the only place that opens and commits a transaction."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, AsyncRawServerCursor
from psycopg.rows import TupleRow

from premade.postgres.application_name import ProcessKind
from premade.postgres.failures import translated_errors
from premade.postgres.pool import (
    BATCH_SESSION_SETTINGS,
    CONNECT_TIMEOUT_SECONDS,
    CUT_OFF_SECONDS,
    LEFT_BY_ONE_KIND,
    POOL_WAIT_SECONDS,
    SESSION_SETTINGS,
    Limiter,
    Pool,
    ServerHealth,
    hard_timeout,
    turns_of_blocking_writes,
)
from premade.postgres.pooler import sessions_are_shared
from premade.postgres.replica import POSITION, Position, Replica, ReplicaPool
from premade.postgres.statements import P, Row, Statement
from premade.runtime.metrics import seconds_of

QUEUE_CONNECTIONS_MAX = 2
"""Connections reserved for the micro-batches: one for activations, one for redemptions."""
OTHER_CONNECTIONS_MIN = 4
"""Connections for everything else. Generating a large batch alone needs 3. Only connections beyond this number are
reserved for the micro-batches."""

ADVISORY_LOCK_RETRY_SECONDS = 0.05
LONG_READ_SECONDS_MAX = 180.0
LONG_READ_PAUSE_SECONDS_MAX = 30
"""Limit between two portions: while a transaction is open, VACUUM cannot remove old row versions."""
PORTION_ROWS = 2_000

_LONG_READ = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    f"SET LOCAL statement_timeout = {round(LONG_READ_SECONDS_MAX * 1000)}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {LONG_READ_PAUSE_SECONDS_MAX * 1000}"
).encode()
_TRY_ADVISORY_LOCK = b"SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_RELEASE_ADVISORY_LOCK = b"SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
# Without this, PostgreSQL notices only after two hours that a client's machine is gone.
_DETECT_LOST_CLIENT = (
    b"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
)
_WHOLE_TABLES = (
    b"SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL cursor_tuple_fraction = 1"
)


async def _try_advisory_lock(
    connection: AsyncConnection[TupleRow], name: str, wait_seconds_max: float
) -> bool:
    deadline = time.monotonic() + wait_seconds_max
    async with hard_timeout(connection, wait_seconds_max + CUT_OFF_SECONDS):
        await connection.execute(_DETECT_LOST_CLIENT)
        while True:
            row = await (await connection.execute(_TRY_ADVISORY_LOCK, [name])).fetchone()
            is_taken = row is not None and row[0]
            if is_taken or time.monotonic() >= deadline:
                return is_taken
            await asyncio.sleep(ADVISORY_LOCK_RETRY_SECONDS)


class Transaction:
    """An open transaction."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def fetch_all(self, statement: Statement[P, Row], *_: P.args, **values: P.kwargs) -> list[Row]:
        """Return all rows, as the statement declares them.

        Raises:
            RuleBroken: a constraint refused the change.
            Busy: a lock could not be taken within LOCK_TIMEOUT_MS.
            DatabaseAway: the connection was lost.
        """
        cursor = AsyncRawCursor(self._connection, row_factory=statement.row_factory)
        started = time.perf_counter()
        try:
            with translated_errors():
                await cursor.execute(statement.text, statement.arguments(values), prepare=True)
                return await cursor.fetchall() if cursor.description is not None else []
        finally:
            # Also observe statements that failed after a long wait.
            seconds_of(statement.name).observe(time.perf_counter() - started)

    async def fetch_one(self, statement: Statement[P, Row], *_: P.args, **values: P.kwargs) -> Row | None:
        """Return the first row, or None."""
        rows = await self.fetch_all(statement, *_, **values)
        return rows[0] if rows else None

    async def execute(self, statement: Statement[P, None], *_: P.args, **values: P.kwargs) -> None:
        """Execute a statement that declares no rows."""
        await self.fetch_all(statement, *_, **values)


class LongRead(Transaction):
    """A read-only transaction on one snapshot of the database."""

    async def portions(
        self, statement: Statement[P, Row], *_: P.args, **values: P.kwargs
    ) -> AsyncGenerator[list[Row]]:
        """Yield all rows, PORTION_ROWS at a time. Memory does not grow with the number of rows."""
        with translated_errors():
            async with AsyncRawServerCursor(
                self._connection, statement.name, row_factory=statement.row_factory
            ) as cursor:
                await cursor.execute(statement.text, statement.arguments(values))
                while rows := await cursor.fetchmany(PORTION_ROWS):
                    yield rows


class Database:
    """A PostgreSQL server, reached through a bounded number of connections."""

    def __init__(
        self,
        pool: Pool,
        for_batches: "Database | None" = None,
        turns: Limiter | None = None,
        single_turns: Limiter | None = None,
        replica: Replica | None = None,
        *,
        by_partner: bool = False,
    ) -> None:
        self._pool = pool
        self.by_partner = by_partner
        """Whether the tables are spread by partner. A micro-batch then has requests of one partner only."""
        self._replica = replica
        self._turns = turns
        self._single_turns = single_turns
        self.for_batches = for_batches or self
        """This database through reserved connections, for micro-batches: their statements wait for no lock."""

    def admit(self) -> None:
        """Open the pools to requests. Call it once the database answers and its schema is current."""
        self._pool.admit()

    async def position(self) -> Position:
        """Return how far the server's write-ahead log is.

        Raises:
            DatabaseAway: the server does not answer.
        """
        with translated_errors():
            async with (
                self._connection(None, POOL_WAIT_SECONDS) as connection,
                hard_timeout(connection, CUT_OFF_SECONDS),
            ):
                row = await (await connection.execute(POSITION, prepare=True)).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    async def sessions_are_shared(self) -> bool:
        """Return whether a connection pooler gives a session of the server to several clients.

        Raises:
            DatabaseAway: the server does not answer.
        """
        with translated_errors():
            return await sessions_are_shared(self._pool.dsn)

    def for_blocking_writes(self, *, single_too: bool = False) -> "Database":
        """Return this database for one kind of writes that may wait for row locks.

        However many such writes there are, they leave LEFT_BY_ONE_KIND connections to all others, and all kinds together
        leave LEFT_BY_ALL_KINDS, if the pool is large enough. `single_too`: limit single statements too, not only
        transactions. A block must not take a second connection while it has one.
        """
        of_one_kind = turns_of_blocking_writes(self._pool.max_size - LEFT_BY_ONE_KIND)
        turns = Limiter(of_one_kind, self._pool.waiting)
        single_turns = turns if single_too else None
        return Database(
            self._pool, self.for_batches, turns, single_turns, self._replica, by_partner=self.by_partner
        )

    def _connection(
        self, turns: Limiter | None, wait_seconds_max: float | None = None
    ) -> AbstractAsyncContextManager[AsyncConnection[TupleRow]]:
        if turns is None:
            return self._pool.acquire(wait_seconds_max)
        return turns.connection_of(self._pool, wait_seconds_max)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Open a transaction. It is committed when the block ends, and rolled back when the block raises.

        Raises:
            DatabaseAway: the server does not answer.
            Busy: no connection was free in time.
        """
        with translated_errors():
            async with (
                self._connection(self._turns) as connection,
                hard_timeout(connection, CUT_OFF_SECONDS),
                connection.transaction(),
            ):
                yield Transaction(connection)

    @asynccontextmanager
    async def single_statement(
        self, seconds_max: float = CUT_OFF_SECONDS, *, is_check: bool = False
    ) -> AsyncGenerator[Transaction]:
        """Open a block in which each statement is a transaction of its own. It saves BEGIN and COMMIT.

        `seconds_max`: limit for the whole block. `is_check`: do not wait for `admit`.
        """
        wait_seconds_max = min(seconds_max, POOL_WAIT_SECONDS)
        with translated_errors():
            async with (
                self._pool.acquire(wait_seconds_max, is_check=True)
                if is_check
                else self._connection(self._single_turns, wait_seconds_max) as connection,
                hard_timeout(connection, seconds_max),
            ):
                yield Transaction(connection)

    @asynccontextmanager
    async def single_read(self) -> AsyncGenerator[Transaction]:
        """Open a block like `single_statement` for reads, on the replica if there is one.

        It sees everything that was committed before it began.
        """
        with translated_errors():
            async with (
                self._connection_to_read(self._single_turns, is_long=False) as connection,
                hard_timeout(connection, CUT_OFF_SECONDS),
            ):
                yield Transaction(connection)

    @asynccontextmanager
    async def _connection_to_read(
        self, turns: Limiter | None, *, is_long: bool
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        if self._replica is not None:
            async with self._replica.connection(is_long=is_long) as connection:
                if connection is not None:
                    yield connection
                    return
        async with self._connection(turns) as connection:
            yield connection

    @asynccontextmanager
    async def advisory_lock(self, name: str, wait_seconds_max: float) -> AsyncGenerator[bool]:
        """Yield whether this block got the advisory lock `name`. It is held until the block or the process ends.

        It keeps a connection. Use it for jobs of many transactions. Each transaction must be correct even if two processes
        run the job: PostgreSQL releases the lock when the connection breaks.
        """
        with translated_errors():
            async with self._pool.acquire() as connection:
                is_held = await _try_advisory_lock(connection, name, wait_seconds_max)
                try:
                    yield is_held
                except asyncio.CancelledError:
                    # Releasing the lock could be cancelled too, and the pool must not reuse a connection that holds it.
                    await connection.close()
                    raise
                finally:
                    if is_held and not connection.closed:
                        # A broken connection has released the lock already.
                        with suppress(psycopg.OperationalError):
                            await connection.execute(_RELEASE_ADVISORY_LOCK, [name])

    @asynccontextmanager
    async def long_read(self, *, whole_tables: bool = False) -> AsyncGenerator[LongRead]:
        """Open a read-only transaction on one snapshot, for at most LONG_READ_SECONDS_MAX, on the replica if there is one.

        It sees everything that was committed before it began.

        It keeps its connection, so callers must limit how many they open at once. `whole_tables`: allow plans that read
        whole tables, for reads that need most rows.
        """
        with translated_errors():
            async with (
                self._connection_to_read(self._pool.long_reads, is_long=True) as connection,
                hard_timeout(connection, LONG_READ_SECONDS_MAX),
                connection.transaction(),
            ):
                await connection.execute(_LONG_READ)
                if whole_tables:
                    await connection.execute(_WHOLE_TABLES)
                yield LongRead(connection)


@asynccontextmanager
async def open_database(
    dsn: str,
    connections_max: int,
    *,
    waits: bool = True,
    replica_dsn: str | None = None,
    by_partner: bool = False,
) -> AsyncGenerator[Database]:
    """Open the database of `dsn`, with at most `connections_max` connections.

    Without `waits`, as in a worker, the server may be unreachable; requests get connections only after `Database.admit`.
    `replica_dsn` names a standby for reads, with as many connections. It may be unreachable. `by_partner`: the tables are
    spread by partner.

    Raises:
        DatabaseAway: `waits` is set and the server does not answer.
    """
    server = ServerHealth(is_admitted=waits)
    for_batches = min(QUEUE_CONNECTIONS_MAX, max(0, connections_max - OTHER_CONNECTIONS_MIN))
    kind: ProcessKind = "command" if waits else "worker"
    pool = Pool(server, dsn, "premade", connections_max - for_batches, process_kind=kind)
    # For spread tables, PostgreSQL must plan each statement anew, with the value of its partner.
    batch_settings = SESSION_SETTINGS if by_partner else BATCH_SESSION_SETTINGS
    queue_pool = (
        Pool(server, dsn, "premade-queues", for_batches, batch_settings, kind) if for_batches else None
    )
    try:
        with translated_errors():
            for server_pool in server.pools:
                await server_pool.open(wait=waits, timeout=CONNECT_TIMEOUT_SECONDS)
        async with _open_replica(replica_dsn, connections_max, Database(pool)) as replica:
            yield Database(pool, queue_pool and Database(queue_pool), replica=replica, by_partner=by_partner)
    finally:
        for server_pool in server.pools:
            await server_pool.close()


@asynccontextmanager
async def _open_replica(
    dsn: str | None, connections_max: int, primary: Database
) -> AsyncGenerator[Replica | None]:
    if dsn is None:
        yield None
        return

    async with ReplicaPool(
        ServerHealth(is_admitted=True), dsn, "premade-replica", connections_max, process_kind="worker"
    ) as pool:
        yield Replica(pool, primary.position)
