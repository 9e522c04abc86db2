"""The database: a pool of connections, and the only place that opens and commits a transaction."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, AsyncRawServerCursor
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from premade.postgres.failures import is_spoilt, translated_errors
from premade.postgres.shut_down import shut_down
from premade.postgres.statements import P, Row, Statement
from premade.runtime.errors import Busy, DatabaseAway
from premade.runtime.metrics import seconds_of

CONNECT_TIMEOUT_SECONDS = 5
QUEUE_CONNECTIONS_MAX = 2
"""Of a process's connections, those for the statements that settle many requests: one for each kind of queue."""
OTHER_CONNECTIONS_MIN = 4
"""Making a large batch takes 3 of them. Only what a process has beyond these is set apart for the queues."""
LEFT_BY_ONE_KIND = 2
"""Connections for the others, when all writes of one kind wait for what somebody holds."""
LEFT_BY_ALL_KINDS = 1
POOL_WAIT_SECONDS = 5.0
POOL_WAITERS_MAX = 1000
RECONNECT_SECONDS_MAX = 5.0
"""The pool waits twice as long after each failed try, and begins anew after so many seconds: a server that was
away for an hour is found again within seconds.
"""
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 8_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 8_000
CHECK_SECONDS_MAX = 2.0
"""For one connection that was idle to show that it still is one."""
CUT_OFF_SECONDS = 10.0
"""A server that stands still, or a network that drops everything, heeds none of the timeouts before."""

ADVISORY_LOCK_RETRY_SECONDS = 0.05
LONG_READ_SECONDS_MAX = 180.0
LONG_READ_PAUSE_SECONDS_MAX = 30
"""Between two portions; a reader that stands still must not keep old rows from being cleaned away."""
PORTION_ROWS = 2_000

SESSION_SETTINGS = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = {STATEMENT_TIMEOUT_MS}; "
    f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}; SET timezone = 'UTC'; "
    # Every statement has the keys of the rows that it needs. A plan that was made while a table was nearly empty is kept
    # until the table is analysed, also in the checks of foreign keys. So it must not be one that reads whole tables.
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    # Nor one that collects and sorts all of a batch, to have the first of its tickets: a batch may be large.
    "SET enable_bitmapscan = off; "
    # Before PostgreSQL 18, the planner gives a whole table that must be read, even of one row, a cost of 10 billion. It
    # then compiles the statement at each execution, which takes longer than any statement here.
    "SET jit = off"
).encode()
_LONG_READ = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    f"SET LOCAL statement_timeout = {round(LONG_READ_SECONDS_MAX * 1000)}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {LONG_READ_PAUSE_SECONDS_MAX * 1000}"
).encode()
_TAKES_NO_WRITES = b"SELECT current_setting('transaction_read_only')::boolean"
_TRY_ADVISORY_LOCK = b"SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_RELEASE_ADVISORY_LOCK = b"SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
# PostgreSQL's own patience with a client whose machine or network is gone is two hours.
_MISS_A_LOST_MACHINE = (
    b"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
)
_WHOLE_TABLES = (
    b"SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL cursor_tuple_fraction = 1"
)

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


async def _set_session(connection: AsyncConnection[TupleRow]) -> None:
    await connection.execute(SESSION_SETTINGS)


class _hard_timeout:  # noqa: N801  (used like a function)
    """Shut the connection down after `seconds`, and so end the wait for the server's answer.

    Cancelling the statement is not enough: psycopg would wait for the server to confirm the cancellation.
    """

    def __init__(self, connection: AsyncConnection[TupleRow], seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, shut_down, self._connection)

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()


class _Server:
    """State of the server as its connections showed it; shared by all pools."""

    def __init__(self, *, is_admitted: bool) -> None:
        self.pools: list[_Pool] = []
        self.is_admitted = is_admitted
        """Whether the database was checked and has the right schema; until then only checks get a connection."""
        self._answered_at = -CUT_OFF_SECONDS
        self._renewal: asyncio.Task[None] | None = None

    @property
    def answers(self) -> bool:
        """Whether somebody's connection came back whole in the time that it takes to cut one off."""
        return time.monotonic() - self._answered_at < CUT_OFF_SECONDS

    def note(self, used: AsyncConnection[TupleRow]) -> None:
        """A connection was used. When it broke, those that lie idle may have broken with it, and each would cost a
        request: they are looked at, once at a time. Nothing that was asked for is done again.
        """
        if not used.closed:
            self._answered_at = time.monotonic()
        elif self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), context=Context())

    async def _renew(self) -> None:
        await asyncio.gather(*(pool.check() for pool in self.pools))


class _Pool(AsyncConnectionPool[AsyncConnection[TupleRow]]):
    """A pool of connections for one use."""

    def __init__(self, server: _Server, dsn: str, name: str, connections_max: int) -> None:
        super().__init__(
            dsn,
            min_size=1,
            max_size=connections_max,
            timeout=POOL_WAIT_SECONDS,
            max_waiting=POOL_WAITERS_MAX,
            reconnect_timeout=RECONNECT_SECONDS_MAX,
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "tcp_user_timeout": round(CUT_OFF_SECONDS * 1000),
                "application_name": "premade",
            },
            configure=_set_session,
            open=False,
            name=name,
        )
        self._server = server
        self._lent = 0
        self.waiting = asyncio.Semaphore(max(1, connections_max - LEFT_BY_ALL_KINDS))
        self.long_reads = _Limiter(asyncio.Semaphore(max(1, connections_max - LEFT_BY_ONE_KIND)))
        server.pools.append(self)

    @staticmethod
    async def check_connection(conn: AsyncConnection[TupleRow]) -> None:
        """Raise if the connection is broken, or its server became read-only: a new one may reach the new primary.

        The check has a time limit, so that a server that hangs does not delay the checks of other connections.
        """
        async with _hard_timeout(conn, CHECK_SECONDS_MAX):
            row = await (await conn.execute(_TAKES_NO_WRITES)).fetchone()
        if row is None or row[0]:
            message = "The server is read-only"
            raise psycopg.OperationalError(message)

    def admit(self) -> None:
        """Open all pools of this server to requests."""
        self._server.is_admitted = True

    @asynccontextmanager
    async def acquire(
        self, wait_seconds_max: float | None = None, *, is_check: bool = False
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """Yield a connection.

        Raises:
            Busy: all connections are in use, and the server answers.
            PoolTimeout: no connection could be opened in time.
        """
        if not (is_check or self._server.is_admitted):
            raise DatabaseAway("not_admitted")
        try:
            async with self.connection(timeout=wait_seconds_max) as connection:
                self._lent += 1
                try:
                    yield connection
                except (psycopg.Error, DatabaseAway) as error:
                    if is_spoilt(error):
                        await connection.close()
                    raise
                finally:
                    self._lent -= 1
                    self._server.note(connection)
        except (PoolTimeout, TooManyRequests) as error:
            if self._lent < self.max_size or not self._server.answers:
                raise
            raise Busy("connections") from error


class _Limiter:
    """Limit how many connections one kind of use has at once."""

    def __init__(self, *at_once: asyncio.Semaphore) -> None:
        self._at_once = at_once
        self._waiters = 0

    @asynccontextmanager
    async def connection_of(
        self, pool: _Pool, wait_seconds_max: float | None
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """Yield a connection. Raises Busy if there is none within POOL_WAIT_SECONDS."""
        async with self._turn(), pool.acquire(wait_seconds_max) as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        if self._waiters >= POOL_WAITERS_MAX:
            raise Busy("connections")
        taken: list[asyncio.Semaphore] = []
        self._waiters += 1
        try:
            try:
                async with asyncio.timeout(POOL_WAIT_SECONDS):
                    for each in self._at_once:
                        await each.acquire()
                        taken.append(each)
            except TimeoutError:
                raise Busy("connections") from None
            finally:
                self._waiters -= 1
            yield
        finally:
            for each in taken:
                each.release()


async def _try_advisory_lock(
    connection: AsyncConnection[TupleRow], name: str, wait_seconds_max: float
) -> bool:
    deadline = time.monotonic() + wait_seconds_max
    async with _hard_timeout(connection, wait_seconds_max + CUT_OFF_SECONDS):
        await connection.execute(_MISS_A_LOST_MACHINE)
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

    async def fetch_all(self, statement: Statement[P, Row], *_: P.args, **given: P.kwargs) -> list[Row]:
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
                await cursor.execute(statement.text, statement.arguments(given), prepare=True)
                return await cursor.fetchall() if cursor.description is not None else []
        finally:
            # Also count statements that failed after a long wait.
            seconds_of(statement.name).observe(time.perf_counter() - started)

    async def fetch_one(self, statement: Statement[P, Row], *_: P.args, **given: P.kwargs) -> Row | None:
        """Return the first row, or None."""
        rows = await self.fetch_all(statement, *_, **given)
        return rows[0] if rows else None

    async def execute(self, statement: Statement[P, None], *_: P.args, **given: P.kwargs) -> None:
        """Execute a statement that declares no rows."""
        await self.fetch_all(statement, *_, **given)


class LongRead(Transaction):
    """A read-only transaction on one snapshot of the database."""

    async def portions(
        self, statement: Statement[P, Row], *_: P.args, **given: P.kwargs
    ) -> AsyncGenerator[list[Row]]:
        """Yield all rows, PORTION_ROWS at a time. Memory does not grow with the number of rows."""
        with translated_errors():
            async with AsyncRawServerCursor(
                self._connection, statement.name, row_factory=statement.row_factory
            ) as cursor:
                await cursor.execute(statement.text, statement.arguments(given))
                while rows := await cursor.fetchmany(PORTION_ROWS):
                    yield rows


class Database:
    """A PostgreSQL server, reached through a bounded number of connections."""

    def __init__(
        self,
        pool: _Pool,
        for_batches: "Database | None" = None,
        turns: _Limiter | None = None,
        single_turns: _Limiter | None = None,
    ) -> None:
        self._pool = pool
        self._turns = turns
        self._single_turns = single_turns
        self.for_batches = for_batches or self
        """This database through reserved connections, for micro-batches: their statements wait for no lock."""

    def admit(self) -> None:
        """Open the pools to requests. Call it once the database answers and its schema is current."""
        self._pool.admit()

    def for_blocking_writes(self, *, single_too: bool = False) -> "Database":
        """Return this database for one kind of writes that may wait for row locks.

        However many such writes there are, they leave LEFT_BY_ONE_KIND connections to all others, and all kinds together
        leave LEFT_BY_ALL_KINDS, if the pool is large enough. `single_too`: limit single statements too, not only
        transactions. A block must not take a second connection while it has one.
        """
        of_one_kind = asyncio.Semaphore(max(1, self._pool.max_size - LEFT_BY_ONE_KIND))
        turns = _Limiter(of_one_kind, self._pool.waiting)
        return Database(self._pool, self.for_batches, turns, turns if single_too else None)

    def _connection(
        self, turns: _Limiter | None, wait_seconds_max: float | None = None
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
                _hard_timeout(connection, CUT_OFF_SECONDS),
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
                _hard_timeout(connection, seconds_max),
            ):
                yield Transaction(connection)

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
        """Open a read-only transaction on one snapshot, for at most LONG_READ_SECONDS_MAX.

        It keeps its connection, so callers must limit how many they open at once. `whole_tables`: allow plans that read
        whole tables, for reads that need most rows.
        """
        with translated_errors():
            async with (
                self._connection(self._pool.long_reads) as connection,
                _hard_timeout(connection, LONG_READ_SECONDS_MAX),
                connection.transaction(),
            ):
                await connection.execute(_LONG_READ)
                if whole_tables:
                    await connection.execute(_WHOLE_TABLES)
                yield LongRead(connection)


@asynccontextmanager
async def open_database(dsn: str, connections_max: int, *, waits: bool = True) -> AsyncGenerator[Database]:
    """Open the database of `dsn`, with at most `connections_max` connections.

    Without `waits` the server may be unreachable; requests get connections only after `Database.admit`.

    Raises:
        DatabaseAway: `waits` is set and the server does not answer.
    """
    server = _Server(is_admitted=waits)
    for_batches = min(QUEUE_CONNECTIONS_MAX, max(0, connections_max - OTHER_CONNECTIONS_MIN))
    pool = _Pool(server, dsn, "premade", connections_max - for_batches)
    queue_pool = _Pool(server, dsn, "premade-queues", for_batches) if for_batches else None
    try:
        with translated_errors():
            for each in server.pools:
                await each.open(wait=waits, timeout=CONNECT_TIMEOUT_SECONDS)
        yield Database(pool, queue_pool and Database(queue_pool))
    finally:
        for each in server.pools:
            await each.close()
