"""Connection pools, with limits on the wait for a connection and for the server's answer."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import orjson
import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from premade.postgres.application_name import ProcessKind, this_process
from premade.postgres.eager_connection import EagerConnection, Search
from premade.postgres.failures import is_unusable
from premade.postgres.shut_down import shut_down
from premade.postgres.timelines import Timelines
from premade.runtime.errors import Busy, DatabaseAway
from premade.runtime.single_flight import SingleFlightCache
from premade.runtime.slots import RoundRobin, current_owner

CONNECT_TIMEOUT_SECONDS = 5
CONNECT_TIMEOUT_OF_SEVERAL_SECONDS = 2
"""The same for each of several servers. One that is cut off or hangs must not use up a request's POOL_WAIT_SECONDS."""
LEFT_BY_ONE_KIND = 2
"""Connections left to all others while writes of one kind wait for row locks."""
LEFT_BY_ALL_KINDS = 1
"""Connections left to all others while writes of all kinds wait for row locks."""
POOL_WAIT_SECONDS = 5.0
POOL_WAITERS_MAX = 1000
"""Requests that wait for a connection. One partner has at most as many as there are free places (`may_wait`)."""
RECONNECT_SECONDS_MAX = 5.0
"""The pool doubles its pause after each failed try, and starts again with the shortest pause after this time. So it finds
a server that was away for an hour within seconds.
"""
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 8_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 8_000
CHECK_SECONDS_MAX = 2.0
"""Limit for the check of one idle connection."""
CUT_OFF_SECONDS = 10.0
"""Limit for a whole transaction. The timeouts above work in the server: they do not help if it hangs, or the network drops
everything."""
SESSION_SETTINGS = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = {STATEMENT_TIMEOUT_MS}; "
    f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}; SET timezone = 'UTC'; "
    # Each statement has the keys of its rows. A connection keeps a plan that was made while a table was nearly empty until
    # the table is analysed, even in foreign-key checks. So no plan may read whole tables.
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    # No plan may collect and sort all tickets of a batch to find its first ones: a batch may be large.
    "SET enable_bitmapscan = off; "
    # Before PostgreSQL 18, a table that must be read as a whole has a cost of 10 billion, even if it has one row. PostgreSQL
    # would then compile the statement at each execution, which takes longer than any statement here.
    "SET jit = off"
).encode()
BATCH_SESSION_SETTINGS = (
    SESSION_SETTINGS
    # PostgreSQL keeps one plan of a statement for all parameters, unless it estimates plans for the given ones as cheaper. It
    # compares with the average of all earlier estimates. After a table has grown, it may therefore plan a statement at
    # each execution, which takes longer than to execute it. The statements of micro-batches look up rows by unique keys,
    # so that one plan is right for all parameters.
    + b"; SET plan_cache_mode = force_generic_plan"
)
_TAKES_NO_WRITES = b"SELECT current_setting('transaction_read_only')::boolean"

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


def _connect_timeout_seconds(dsn: str) -> int:
    parts = conninfo_to_dict(dsn)
    has_several = any("," in str(parts.get(name, "")) for name in ("host", "hostaddr"))
    return CONNECT_TIMEOUT_OF_SEVERAL_SECONDS if has_several else CONNECT_TIMEOUT_SECONDS


class hard_timeout:  # noqa: N801  (used like a function)
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


class ServerHealth:
    """State of the server as its connections showed it; shared by all pools."""

    def __init__(self, *, is_admitted: bool) -> None:
        self.pools: list[Pool] = []
        self.is_admitted = is_admitted
        """Whether the database was checked and has the right schema; until then only checks get a connection."""
        self.timelines = Timelines()
        self.search = Search()
        self._answered_at = -CUT_OFF_SECONDS
        self._renewals = SingleFlightCache[None, None](lambda _: self._renew(), time.monotonic)

    @property
    def answers(self) -> bool:
        """Whether a connection was returned unbroken within the last CUT_OFF_SECONDS."""
        return time.monotonic() - self._answered_at < CUT_OFF_SECONDS

    def note(self, used: AsyncConnection[TupleRow]) -> None:
        """Note the state of a connection after its use.

        If it broke, idle connections may be broken too, and each would fail one request. So check them, one check at a
        time. No statement is repeated.
        """
        if not used.closed:
            self._answered_at = time.monotonic()
        else:
            self._renewals.ensure_running(None)

    async def _renew(self) -> None:
        await asyncio.gather(*(pool.check() for pool in self.pools))


class Pool(AsyncConnectionPool[AsyncConnection[TupleRow]]):
    """A pool of connections for one use."""

    def __init__(
        self,
        server: ServerHealth,
        dsn: str,
        name: str,
        connections_max: int,
        session_settings: bytes = SESSION_SETTINGS,
        process_kind: ProcessKind = "command",
    ) -> None:
        async def set_session(connection: AsyncConnection[TupleRow]) -> None:
            await connection.execute(session_settings)
            await server.timelines.note(connection)

        super().__init__(
            dsn,
            connection_class=EagerConnection,
            min_size=1,
            max_size=connections_max,
            timeout=POOL_WAIT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS_MAX,
            kwargs={
                "autocommit": True,
                "connect_timeout": _connect_timeout_seconds(dsn),
                "search": server.search,
                "tcp_user_timeout": round(CUT_OFF_SECONDS * 1000),
                "application_name": this_process(process_kind).application_name,
            },
            configure=set_session,
            open=False,
            name=name,
        )
        self.dsn = dsn
        self._server = server
        self._in_use = 0
        self._turns = RoundRobin(connections_max, POOL_WAITERS_MAX, TooManyRequests, connections_max)
        self.waiting = turns_of_blocking_writes(connections_max - LEFT_BY_ALL_KINDS)
        long_reads = max(1, connections_max - LEFT_BY_ONE_KIND)
        self.long_reads = Limiter(
            RoundRobin(long_reads, POOL_WAITERS_MAX, lambda: Busy("connections"), long_reads)
        )
        server.pools.append(self)

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  (signature of the base class)
        """Close the pool. Do not wait for connections that no server accepts."""
        self._server.search.end()
        await super().close(timeout)

    # Static in the base class, which calls it on the pool.
    async def check_connection(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, conn: AsyncConnection[TupleRow]
    ) -> None:
        """Raise if the connection is broken, or its server is no longer the primary: a new one may reach the new primary.

        The check has a time limit, so that a server that hangs does not delay the checks of other connections.
        """
        async with hard_timeout(conn, CHECK_SECONDS_MAX):
            row = await (await conn.execute(_TAKES_NO_WRITES)).fetchone()
        if row is None or row[0] or self._server.timelines.is_outdated(conn):
            message = "The server is read-only, or a former primary"
            raise psycopg.OperationalError(message)

    def admit(self) -> None:
        """Open all pools of this server to requests."""
        self._server.is_admitted = True

    @asynccontextmanager
    async def acquire(
        self, wait_seconds_max: float | None = None, *, is_check: bool = False
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """Yield a connection. Partners take turns: a request waits for at most one request of each other partner.

        Raises:
            Busy: all connections are in use, and the server answers.
            PoolTimeout: no connection could be opened in time.
        """
        if not (is_check or self._server.is_admitted):
            raise DatabaseAway("not_admitted")
        wait_seconds_max = self.timeout if wait_seconds_max is None else wait_seconds_max
        try:
            async with self._turn(wait_seconds_max), self.connection(wait_seconds_max) as connection:
                self._in_use += 1
                try:
                    await self._refuse_former_primary(connection)
                    yield connection
                except (psycopg.Error, DatabaseAway) as error:
                    if is_unusable(error):
                        await connection.close()
                    raise
                finally:
                    self._in_use -= 1
                    self._server.note(connection)
        except (PoolTimeout, TooManyRequests) as error:
            if self._in_use < self.max_size or not self._server.answers:
                raise
            raise Busy("connections") from error

    @asynccontextmanager
    async def _turn(self, wait_seconds_max: float) -> AsyncGenerator[None]:
        owner = current_owner.get()
        if not self._turns.take(owner):
            try:
                async with asyncio.timeout(wait_seconds_max):
                    await self._turns.wait(owner)
            except TimeoutError:
                raise PoolTimeout from None
        try:
            yield
        finally:
            self._turns.end(owner)

    async def _refuse_former_primary(self, connection: AsyncConnection[TupleRow]) -> None:
        if self._server.timelines.is_outdated(connection):
            await connection.close()
            raise DatabaseAway("former_primary")


def turns_of_blocking_writes(at_once: int) -> RoundRobin:
    """Return turns for writes that may wait for row locks. One partner leaves one of them to the others."""
    at_once = max(1, at_once)
    return RoundRobin(at_once, POOL_WAITERS_MAX, lambda: Busy("connections"), max(1, at_once - 1))


class Limiter:
    """Limit how many connections one kind of use has at once."""

    def __init__(self, *turns: RoundRobin) -> None:
        self._turns = turns

    @asynccontextmanager
    async def connection_of(
        self, pool: Pool, wait_seconds_max: float | None
    ) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        """Yield a connection.

        Raises:
            Busy: there was none within POOL_WAIT_SECONDS.
        """
        async with self._turn(), pool.acquire(wait_seconds_max) as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        owner = current_owner.get()
        taken: list[RoundRobin] = []
        try:
            try:
                async with asyncio.timeout(POOL_WAIT_SECONDS):
                    for turns in self._turns:
                        if not turns.take(owner):
                            await turns.wait(owner)
                        taken.append(turns)
            except TimeoutError:
                raise Busy("connections") from None
            yield
        finally:
            for turns in taken:
                turns.end(owner)
