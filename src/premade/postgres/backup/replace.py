"""Put a restored database into the place of the old one. The old one is kept under another name."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege, ObjectInUse
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier, Literal

from premade.postgres.backup import backup_sql as sql
from premade.postgres.backup.contents import session
from premade.postgres.backup.errors import RestoreFailed
from premade.postgres.database import Transaction

_NAME_BYTES_MAX = 63
_KEPT, _KEPT_TIME = "_before_", "%Y%m%dt%H%M%S"
_UNFINISHED = "restore by premade, not finished"
"""Comment on a database that a restore has begun to fill. The next restore drops it."""
_SESSIONS_NAMED_MAX = 3


async def require_no_sessions(connection: AsyncConnection[TupleRow], database: str) -> None:
    """Check that nobody else is connected to the database.

    Raises:
        RestoreFailed: somebody is; the message names some of the sessions.
    """
    sessions = await Transaction(connection).fetch_all(sql.other_sessions, database=database)
    if sessions:
        named = ", ".join(sessions[:_SESSIONS_NAMED_MAX])
        raise RestoreFailed("sessions", number=len(sessions), sessions=named)


async def create_beside(connection: AsyncConnection[TupleRow], database: str) -> str:
    """Create an empty database with the properties of `database`, and return its name.

    `connection`: to another database of the server.

    Raises:
        RestoreFailed: the role may not, another restore runs, or a database of this name exists.
    """
    tx = Transaction(connection)
    if not await tx.fetch_one(sql.take_turn, database=database):
        raise RestoreFailed("restored_by_another", database=database)
    if not await tx.fetch_one(sql.may_replace, database=database):
        raise RestoreFailed("may_not_replace", database=database)
    new_name = _name(database, "_restoring")
    comment = await tx.fetch_one(sql.comment_of_database, database=new_name)
    if comment == _UNFINISHED:
        await _drop(connection, new_name, ends_sessions=True)
    elif comment is not None:
        raise RestoreFailed("name_taken", database=new_name)
    create = await tx.fetch_one(sql.create_like, database=database, new_name=new_name)
    assert create is not None
    try:
        await connection.execute(create.encode())
        await connection.execute(
            SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(new_name), Literal(_UNFINISHED))
        )
        await _copy_properties(connection, database, new_name)
    except BaseException as error:
        await discard(connection, new_name)
        if isinstance(error, InsufficientPrivilege):
            why = error.diag.message_primary
            raise RestoreFailed("may_not_copy", database=database, why=why) from None
        raise
    return new_name


async def _copy_properties(connection: AsyncConnection[TupleRow], database: str, new_name: str) -> None:
    """Copy the privileges on a database and its settings."""
    tx = Transaction(connection)
    for statement in await tx.fetch_all(sql.privileges_like, database=database, new_name=new_name):
        await connection.execute(statement.encode())
    for row in await tx.fetch_all(sql.settings_of, database=database):
        scope = SQL("DATABASE {}").format(Identifier(new_name))
        if row.role is not None:
            scope = SQL("ROLE {} IN {}").format(Identifier(row.role), scope)
        # FROM CURRENT, because a list such as search_path cannot be quoted as one value. This session keeps its own value.
        async with connection.transaction():
            await tx.fetch_all(sql.set_locally, setting=row.setting, value=row.value)
            await connection.execute(SQL("ALTER {} SET {} FROM CURRENT").format(scope, SQL(row.setting)))  # pyright: ignore[reportArgumentType]


def kept_name(database: str, now: datetime) -> str:
    """Return the name under which the old database is kept."""
    return _name(database, f"{_KEPT}{now:{_KEPT_TIME}}")


async def previous_databases(dsn: str) -> list[sql.PreviousDatabase]:
    """Return the databases that restores have replaced and kept, oldest first."""
    async with session(dsn) as connection:
        return await _previous_databases(connection)


async def drop_previous(dsn: str, database: str) -> sql.PreviousDatabase:
    """Drop a database that a restore has replaced and kept, and return it.

    Raises:
        RestoreFailed: it is not one of these, or somebody is connected to it.
    """
    async with session(dsn) as connection:
        kept = {each.database: each for each in await _previous_databases(connection)}
        if database not in kept:
            names = ", ".join(kept) or "none"
            raise RestoreFailed("not_previous", database=database, names=names)
        await require_no_sessions(connection, database)
        await _drop(connection, database)
    return kept[database]


async def _previous_databases(connection: AsyncConnection[TupleRow]) -> list[sql.PreviousDatabase]:
    kept = kept_name(connection.info.dbname, datetime.now(UTC))
    start = kept[: kept.rindex(_KEPT) + len(_KEPT)]
    return await Transaction(connection).fetch_all(sql.previous_databases, start=start)


async def swap(connection: AsyncConnection[TupleRow], database: str, new_name: str, kept: str) -> None:
    """Rename `database` to `kept`, and `new_name` to `database`, in one transaction.

    Raises:
        RestoreFailed: somebody is connected to one of them. Nothing was changed.
    """
    comment = await Transaction(connection).fetch_one(sql.comment_of_database, database=database)
    rename = SQL("ALTER DATABASE {} RENAME TO {}")
    try:
        async with connection.transaction():
            await connection.execute(rename.format(Identifier(database), Identifier(kept)))
            await connection.execute(rename.format(Identifier(new_name), Identifier(database)))
            await connection.execute(
                SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(database), Literal(comment))
            )
    except ObjectInUse:
        await require_no_sessions(connection, database)
        raise


async def discard(connection: AsyncConnection[TupleRow], new_name: str) -> None:
    """Drop the new database of a restore that failed. If that fails too, the next restore does it."""
    # A pg_restore that was interrupted may still have sessions there.
    dropping = asyncio.ensure_future(_drop(connection, new_name, ends_sessions=True))
    try:
        await asyncio.wait([dropping])
    finally:
        # Ctrl-C while pg_restore ran cancels the wait above, and must not cancel the drop.
        await asyncio.wait([dropping])
        # The error of the restore itself says what to do.
        with suppress(psycopg.Error):
            dropping.result()


async def _drop(connection: AsyncConnection[TupleRow], database: str, *, ends_sessions: bool = False) -> None:
    """Drop a database. `ends_sessions`: end its sessions first."""
    force = SQL(" WITH (FORCE)" if ends_sessions else "")
    await connection.execute(SQL("DROP DATABASE IF EXISTS {}{}").format(Identifier(database), force))


def _name(database: str, ending: str) -> str:
    """Return the name with an ending, within PostgreSQL's limit."""
    room = _NAME_BYTES_MAX - len(ending)
    return database.encode()[:room].decode(errors="ignore") + ending
