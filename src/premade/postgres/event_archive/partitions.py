"""The session that moves or restores partitions of `audit_events`, and its locks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from premade.postgres.backup.contents import session
from premade.postgres.database import Transaction
from premade.postgres.event_archive import archive_sql as sql
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.runtime.month import Month

_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 20, 3.0
_SET_LOCK_TIMEOUT = b"SET LOCAL lock_timeout = '2s'"
"""Sales queue up behind a statement that waits for its lock, so it waits no longer than this."""


ArchiveSession = AsyncConnection[TupleRow]


@asynccontextmanager
async def archive_session(dsn: str) -> AsyncGenerator[ArchiveSession]:
    """Open a session in which months can be moved or restored.

    Raises:
        ArchiveFailed: another command moves or restores months now, the role does not own the table, or Citus spreads it.
    """
    async with session(dsn) as connection:
        tx = Transaction(connection)
        if not await tx.fetch_one(sql.may_move):
            raise ArchiveFailed("not_owner")
        if await tx.fetch_one(sql.is_spread):
            raise ArchiveFailed("spread")
        if not await tx.fetch_one(sql.take_turn):
            raise ArchiveFailed("another_runs")
        yield connection


async def archived_months(dsn: str) -> dict[Month, sql.ArchivedMonth]:
    """Return the rows of `audit_archives`: the months that are in the archive and not in the database."""
    async with session(dsn) as connection:
        rows = await Transaction(connection).fetch_all(sql.archived_months)
    return {Month.of_day(row.month): row for row in rows}


async def with_short_lock(connection: ArchiveSession, change: Callable[[], Awaitable[None]]) -> None:
    """Change the partitions within the current transaction. If a lock is not free in time, pause and try again.

    Raises:
        ArchiveFailed: no attempt got the lock.
    """
    for tries_left in reversed(range(_LOCK_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(_SET_LOCK_TIMEOUT)
                await change()
        except (LockNotAvailable, DeadlockDetected):
            if not tries_left:
                raise ArchiveFailed("locked") from None
            await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


async def lock_with_partners(connection: ArchiveSession, table: str) -> None:
    """Lock a table of events, and the partners for the triggers of its foreign key. Call it in `with_short_lock`.

    Sales wait behind the first lock. So the second one is free at once, or both are released. Some sales lock the partners
    first, others the events: with both orders, either is met.
    """
    lock = SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE")
    orders = [(Identifier(table), Identifier("partners")), (Identifier("partners"), Identifier(table))]
    for first, second in orders:
        try:
            async with connection.transaction():
                await connection.execute(lock.format(first))
                await connection.execute(lock.format(second) + SQL(" NOWAIT"))
        except LockNotAvailable:
            if (first, second) == orders[-1]:
                raise
        else:
            return
