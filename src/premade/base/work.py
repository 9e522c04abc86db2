"""The database: a pool of connections, and the only place that opens and commits a transaction."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from typing import Any

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, AsyncRawServerCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from premade.base.errors import Busy, DatabaseAway
from premade.base.failures import is_spoilt, translated_errors
from premade.base.metrics import seconds_of
from premade.base.statements import Statement

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

ALONE_EVERY_SECONDS = 0.05
LONG_READ_SECONDS_MAX = 180.0
LONG_READ_PAUSE_SECONDS_MAX = 30
"""Between two portions; a reader that stands still must not keep old rows from being cleaned away."""
PORTION_ROWS = 2_000

SESSION_SETTINGS = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = {STATEMENT_TIMEOUT_MS}; "
    f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}; SET timezone = 'UTC'; "
    # Whatever the service asks for, it has the keys of. A plan that was made while a table was nearly empty is kept,
    # also within the checks of foreign keys, so it must not be one that reads whole tables.
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
_TAKES_NO_WRITES = b"SELECT current_setting('transaction_read_only')::boolean AS takes_no_writes"
_TAKE_NAME = b"SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS mine"
_LET_GO_OF_NAME = b"SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
# PostgreSQL's own patience with a client whose machine or network is gone is two hours.
_MISS_A_LOST_MACHINE = (
    b"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
)
_WHOLE_TABLES = (
    b"SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL cursor_tuple_fraction = 1"
)

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


async def _set_session(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute(SESSION_SETTINGS)


class _cut_off:  # noqa: N801  (used like a function)
    """Ends the connection after so many seconds, and with it the wait for an answer.

    A cancelled statement would wait on, for the server to confirm it.
    """

    def __init__(self, connection: AsyncConnection[DictRow], seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        with (
            suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self._connection.fileno())) as same,
        ):
            same.shutdown(socket.SHUT_RDWR)


class _Server:
    """What one pool's connections tell of the server, for all pools to it."""

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

    def note(self, used: AsyncConnection[DictRow]) -> None:
        """A connection was used. When it broke, those that lie idle may have broken with it, and each would cost a
        request: they are looked at, once at a time. Nothing that was asked for is done again.
        """
        if not used.closed:
            self._answered_at = time.monotonic()
        elif self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), context=Context())

    async def _renew(self) -> None:
        await asyncio.gather(*(pool.check() for pool in self.pools))


class _Pool(AsyncConnectionPool[AsyncConnection[DictRow]]):
    """Connections of one use."""

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
                "row_factory": dict_row,
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
        self.long_reads = _Turns(asyncio.Semaphore(max(1, connections_max - LEFT_BY_ONE_KIND)))
        server.pools.append(self)

    @staticmethod
    async def check_connection(conn: AsyncConnection[DictRow]) -> None:
        """Raise if the connection is broken, or its server became read-only: a new one may reach the new primary.

        The check has a time limit, so that a server that hangs does not delay the checks of other connections.
        """
        async with _cut_off(conn, CHECK_SECONDS_MAX):
            row = await (await conn.execute(_TAKES_NO_WRITES)).fetchone()
        if row is None or row["takes_no_writes"]:
            message = "The server is read-only"
            raise psycopg.OperationalError(message)

    def admit(self) -> None:
        """Let requests have connections, in all pools to this server."""
        self._server.is_admitted = True

    @asynccontextmanager
    async def lend(
        self, wait_seconds_max: float | None = None, *, is_check: bool = False
    ) -> AsyncGenerator[AsyncConnection[DictRow]]:
        """A connection. Busy when others have them all and the server is well, PoolTimeout when there is none."""
        if not (is_check or self._server.is_admitted):
            message = (
                "The service is waiting for its database. A retry with the same Idempotency-Key is safe."
            )
            raise DatabaseAway(message)
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
            raise _all_in_use() from error


class _Turns:
    """Lets so many have a connection at once."""

    def __init__(self, *at_once: asyncio.Semaphore) -> None:
        self._at_once = at_once
        self._waiters = 0

    @asynccontextmanager
    async def connection_of(
        self, pool: _Pool, wait_seconds_max: float | None
    ) -> AsyncGenerator[AsyncConnection[DictRow]]:
        """Busy when none comes in POOL_WAIT_SECONDS."""
        async with self._turn(), pool.lend(wait_seconds_max) as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        if self._waiters >= POOL_WAITERS_MAX:
            raise _all_in_use()
        taken: list[asyncio.Semaphore] = []
        self._waiters += 1
        try:
            try:
                async with asyncio.timeout(POOL_WAIT_SECONDS):
                    for each in self._at_once:
                        await each.acquire()
                        taken.append(each)
            except TimeoutError:
                raise _all_in_use() from None
            finally:
                self._waiters -= 1
            yield
        finally:
            for each in taken:
                each.release()


def _all_in_use() -> Busy:
    message = "Other requests have the connections that this one needs; nothing was changed. Try again."
    return Busy(message, meets_all=True)


async def _take_name(connection: AsyncConnection[DictRow], name: str, wait_seconds_max: float) -> bool:
    deadline = time.monotonic() + wait_seconds_max
    async with _cut_off(connection, wait_seconds_max + CUT_OFF_SECONDS):
        await connection.execute(_MISS_A_LOST_MACHINE)
        while True:
            row = await (await connection.execute(_TAKE_NAME, [name])).fetchone()
            is_taken = row is not None and row["mine"]
            if is_taken or time.monotonic() >= deadline:
                return is_taken
            await asyncio.sleep(ALONE_EVERY_SECONDS)


class Work:
    """A transaction that is open."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def all(self, statement: Statement, **given: Any) -> list[dict[str, Any]]:
        """Every row. RuleBroken when a constraint refuses, Busy when a lock is not to be had in time."""
        cursor = AsyncRawCursor(self._connection)
        started = time.perf_counter()
        try:
            with translated_errors():
                await cursor.execute(statement.text, statement.arguments(given), prepare=True)
                return await cursor.fetchall() if cursor.description is not None else []
        finally:
            # What fails after a long wait counts too.
            seconds_of(statement.name).observe(time.perf_counter() - started)

    async def one(self, statement: Statement, **given: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        rows = await self.all(statement, **given)
        return rows[0] if rows else None


class LongRead(Work):
    """A transaction that sees one moment of the database, for as long as it lasts."""

    async def portions(self, statement: Statement, **given: Any) -> AsyncGenerator[list[dict[str, Any]]]:
        """Every row, PORTION_ROWS at a time, none of them kept here or on the way."""
        with translated_errors():
            async with AsyncRawServerCursor(self._connection, statement.name) as cursor:
                await cursor.execute(statement.text, statement.arguments(given))
                while rows := await cursor.fetchmany(PORTION_ROWS):
                    yield rows


class Database:
    """A PostgreSQL server, reached through a bounded number of connections."""

    def __init__(
        self,
        pool: _Pool,
        of_queues: "Database | None" = None,
        turns: _Turns | None = None,
        single_turns: _Turns | None = None,
    ) -> None:
        self._pool = pool
        self._turns = turns
        self._single_turns = single_turns
        self.of_queues = of_queues or self
        """The same by connections of its own: for a statement that settles many requests and waits for nobody."""

    def admit(self) -> None:
        """Let requests have connections: the database answers and its schema is current."""
        self._pool.admit()

    def of_patient(self, *, single_too: bool = False) -> "Database":
        """The same for one kind of writes that may wait for what others hold: however many they are, they leave
        LEFT_BY_ONE_KIND connections to the others, and all such kinds together LEFT_BY_ALL_KINDS, if there are so many.

        `single_too`: single statements may wait, not only transactions. Nothing within either may take a second
        connection while it has one.
        """
        of_one_kind = asyncio.Semaphore(max(1, self._pool.max_size - LEFT_BY_ONE_KIND))
        turns = _Turns(of_one_kind, self._pool.waiting)
        return Database(self._pool, self.of_queues, turns, turns if single_too else None)

    def _connection(
        self, turns: _Turns | None, wait_seconds_max: float | None = None
    ) -> AbstractAsyncContextManager[AsyncConnection[DictRow]]:
        if turns is None:
            return self._pool.lend(wait_seconds_max)
        return turns.connection_of(self._pool, wait_seconds_max)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Work]:
        """What is done within is committed whole at its end, or not at all. DatabaseAway when it cannot be."""
        with translated_errors():
            async with (
                self._connection(self._turns) as connection,
                _cut_off(connection, CUT_OFF_SECONDS),
                connection.transaction(),
            ):
                yield Work(connection)

    @asynccontextmanager
    async def single_statement(
        self, seconds_max: float = CUT_OFF_SECONDS, *, is_check: bool = False
    ) -> AsyncGenerator[Work]:
        """Each statement within is a transaction of its own: two round trips fewer for a reader, or a
        change that is one statement. `is_check`: also before `admit` was called.
        """
        wait_seconds_max = min(seconds_max, POOL_WAIT_SECONDS)
        with translated_errors():
            async with (
                self._pool.lend(wait_seconds_max, is_check=True)
                if is_check
                else self._connection(self._single_turns, wait_seconds_max) as connection,
                _cut_off(connection, seconds_max),
            ):
                yield Work(connection)

    @asynccontextmanager
    async def alone(self, name: str, wait_seconds_max: float) -> AsyncGenerator[bool]:
        """Whether nobody else is in such a block of this name; then nobody will be until it ends, or its process does.

        It keeps a connection. For work of many transactions; each must be right also if two should be at it, as the
        database lets go of the name when the connection breaks.
        """
        with translated_errors():
            async with self._pool.lend() as connection:
                is_alone = await _take_name(connection, name, wait_seconds_max)
                try:
                    yield is_alone
                except asyncio.CancelledError:
                    # To let go of the name could be interrupted too, and nobody must get a connection that has it.
                    await connection.close()
                    raise
                finally:
                    if is_alone and not connection.closed:
                        # A connection that broke meanwhile has let go already.
                        with suppress(psycopg.OperationalError):
                            await connection.execute(_LET_GO_OF_NAME, [name])

    @asynccontextmanager
    async def long_read(self, *, whole_tables: bool = False) -> AsyncGenerator[LongRead]:
        """One moment of the database, read for at most LONG_READ_SECONDS_MAX; nothing can be changed within.

        It keeps its connection, so whoever opens it bounds how many there are at once. `whole_tables`: most rows
        are wanted, so a plan may read a table from end to end.
        """
        with translated_errors():
            async with (
                self._connection(self._pool.long_reads) as connection,
                _cut_off(connection, LONG_READ_SECONDS_MAX),
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
    of_queues = min(QUEUE_CONNECTIONS_MAX, max(0, connections_max - OTHER_CONNECTIONS_MIN))
    pool = _Pool(server, dsn, "premade", connections_max - of_queues)
    queue_pool = _Pool(server, dsn, "premade-queues", of_queues) if of_queues else None
    try:
        with translated_errors():
            for each in server.pools:
                await each.open(wait=waits, timeout=CONNECT_TIMEOUT_SECONDS)
        yield Database(pool, queue_pool and Database(queue_pool))
    finally:
        for each in server.pools:
            await each.close()
