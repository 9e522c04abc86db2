"""Detect a connection pooler that gives a session of PostgreSQL to several clients.

The service keeps settings, prepared statements and locks in its sessions. If a pooler such as PgBouncer assigns sessions by
transaction or by statement, one client uses what another has prepared. It could then execute the wrong statement.
"""

import asyncio

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from premade.runtime.errors import CommandError

TRIES = 3
"""A pooler gives a session that was just returned to the next client. Only other clients of the same pool can come first."""
WAIT_SECONDS_MAX = 10.0
"""A pooler without a free session lets its clients wait, without an answer."""
_CONNECT_SECONDS_MAX = 5
_SESSION = b"SELECT pg_backend_pid()"


class SessionsShared(CommandError):
    """A connection pooler gives the sessions of PostgreSQL to several clients."""


def require_own_sessions(dsn: str) -> None:
    """Check that each connection has a session of its own.

    Raises:
        SessionsShared: a pooler assigns sessions by transaction or by statement.
        psycopg.OperationalError: the database does not answer.
    """
    if asyncio.run(sessions_are_shared(dsn)):
        raise SessionsShared("sessions_shared")


async def sessions_are_shared(dsn: str) -> bool:
    """Return whether two clients can get the same session of the server.

    A session that the server itself announced has its own process id. A pooler announces an invented one.

    Raises:
        psycopg.OperationalError: the database does not answer.
    """
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX), await _connect(dsn) as first:
            session = await _session_of(first)
            return session != first.info.backend_pid and await _can_be_had_by_another(dsn, first)
    except TimeoutError:
        message = f"no session of the server within {WAIT_SECONDS_MAX:.0f} s"
        raise psycopg.OperationalError(message) from None


async def _can_be_had_by_another(dsn: str, first: AsyncConnection[TupleRow]) -> bool:
    for _ in range(TRIES):
        session = await _session_of(first)
        async with await _connect(dsn) as second:
            if await _session_of(second) == session:
                return True
    return False


async def _connect(dsn: str) -> AsyncConnection[TupleRow]:
    return await AsyncConnection.connect(dsn, autocommit=True, connect_timeout=_CONNECT_SECONDS_MAX)


async def _session_of(connection: AsyncConnection[TupleRow]) -> int:
    row = await (await connection.execute(_SESSION)).fetchone()
    assert row is not None
    return row[0]
