"""The database that a restore fills: an empty one, or a new one that takes the place of a database with data."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg.conninfo import make_conninfo

from premade.postgres.backup import backup_sql as sql
from premade.postgres.backup.contents import session
from premade.postgres.backup.errors import RestoreFailed
from premade.postgres.backup.programs import major_version
from premade.postgres.backup.replace import create_beside, discard, kept_name, require_no_sessions, swap
from premade.postgres.database import Transaction

_MAINTENANCE_DATABASE = "postgres"


@dataclass(frozen=True)
class Target:
    """The database to fill."""

    dsn: str
    server_version: int
    """Major version of its server."""
    previous: str | None
    """Name under which the database with data will be kept; None if the named database itself is filled."""


@asynccontextmanager
async def restore_target(dsn: str, now: datetime, *, replaces: bool) -> AsyncGenerator[Target]:
    """Yield the database to fill. `replaces`: the database of `dsn` may have data.

    A new database gets the name of the old one when the block ends. It is dropped when the block raises.

    Raises:
        RestoreFailed: the database has tables and `replaces` is not set, somebody is connected to it, or the role lacks a
            right.
    """
    async with session(dsn) as connection:
        info = connection.info
        database, version = info.dbname, major_version(info.server_version)
        await require_no_sessions(connection, database)
        is_empty = not await Transaction(connection).fetch_all(sql.tables)
    if is_empty:
        yield Target(dsn, version, None)
        return
    if not replaces:
        raise RestoreFailed("has_data", database=database)
    async with session(make_conninfo(dsn, dbname=_MAINTENANCE_DATABASE)) as maintenance:
        new_name = await create_beside(maintenance, database)
        kept = kept_name(database, now)
        try:
            yield Target(make_conninfo(dsn, dbname=new_name), version, kept)
            await swap(maintenance, database, new_name, kept)
        except BaseException:
            await discard(maintenance, new_name)
            raise
