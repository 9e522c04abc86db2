"""The database: a pool of connections, and the only place that opens and commits a transaction."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.errors import (
    DeadlockDetected,
    LockNotAvailable,
    QueryCanceled,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from premade.base.errors import Busy, DatabaseAway, RuleBroken
from premade.base.metrics import DATABASE_SECONDS
from premade.base.statements import Statement

CONNECT_TIMEOUT_SECONDS = 5
POOL_WAIT_SECONDS = 5.0
POOL_WAITERS_MAX = 1000
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 15_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000

SESSION_SETTINGS = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = {STATEMENT_TIMEOUT_MS}; "
    f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_TIMEOUT_MS}; SET timezone = 'UTC'"
).encode()

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


@contextmanager
def _database_errors() -> Generator[None]:
    """Says in the domain's words what the driver reports."""
    try:
        yield
    except psycopg.IntegrityError as error:
        if error.diag.constraint_name is None:
            raise
        raise RuleBroken(error.diag.constraint_name) from error
    except (LockNotAvailable, DeadlockDetected, QueryCanceled, SerializationFailure) as error:
        message = "Another request holds what this one needs; nothing was changed. Try again."
        raise Busy(message) from error
    except (psycopg.OperationalError, psycopg.InterfaceError, ReadOnlySqlTransaction) as error:
        message = "The database does not answer. A retry with the same Idempotency-Key is safe."
        raise DatabaseAway(message) from error


async def _set_session(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute(SESSION_SETTINGS)


class Work:
    """A transaction that is open."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def all(self, statement: Statement, **given: Any) -> list[dict[str, Any]]:
        """Every row. RuleBroken when a constraint refuses, Busy when a lock is not to be had in time."""
        cursor = AsyncRawCursor(self._connection)
        started = time.perf_counter()
        with _database_errors():
            await cursor.execute(statement.text, statement.arguments(given), prepare=True)
            rows = await cursor.fetchall() if cursor.description is not None else []
        DATABASE_SECONDS.labels(statement.name).observe(time.perf_counter() - started)
        return rows

    async def one(self, statement: Statement, **given: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        rows = await self.all(statement, **given)
        return rows[0] if rows else None


class Database:
    """A PostgreSQL server, reached through a bounded pool."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[DictRow]]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Work]:
        """What is done within is committed whole at its end, or not at all. DatabaseAway when it cannot be."""
        with _database_errors():
            async with self._pool.connection() as connection, connection.transaction():
                yield Work(connection)

    @asynccontextmanager
    async def single_statement(self) -> AsyncGenerator[Work]:
        """Each statement within is a transaction of its own: two round trips fewer for a reader, or a
        change that is one statement.
        """
        with _database_errors():
            async with self._pool.connection() as connection:
                yield Work(connection)


@asynccontextmanager
async def open_database(dsn: str, connections_max: int) -> AsyncGenerator[Database]:
    """A pool to `dsn`, opened now. DatabaseAway when the server does not answer."""
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=connections_max,
        timeout=POOL_WAIT_SECONDS,
        max_waiting=POOL_WAITERS_MAX,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "premade",
        },
        configure=_set_session,
        open=False,
        name="premade",
    )
    try:
        with _database_errors():
            await pool.open(wait=True, timeout=CONNECT_TIMEOUT_SECONDS)
        yield Database(pool)
    finally:
        await pool.close()
