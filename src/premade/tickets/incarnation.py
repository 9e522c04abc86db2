"""Notice that the database was restored, copied or promoted, before it issues a code or an id a second time.

An *incarnation* is one unbroken run of a database. The table `database_incarnation` describes the current one, and
`take_logical_ms` issues nothing if the description does not fit. This module then begins a new incarnation: the clocks move
beyond everything that the database can have forgotten, and new keys sign new tickets (ADR 23).
"""

from dataclasses import dataclass
from uuid import UUID

from premade.audit.actors import SERVICE
from premade.audit.events import DatabaseRestoration
from premade.audit.record import record
from premade.postgres.database import Database, Transaction
from premade.postgres.marker import Marker
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime
from premade.runtime.logging import log
from premade.tickets import incarnation_sql as sql
from premade.tickets.code import CODES_A_SECOND
from premade.tickets.signing import add_keys_after_restore

LOOK_EVERY_SECONDS = 1.0
"""A promotion under a running service is noticed within this time. Until then generation and activation are refused."""
CLOCK_LEAD_SECONDS_MAX = 366 * 24 * 3600
"""Maximum lead of a wrong clock that can be compensated."""
BY_COMMAND = "the operator said so"
BY_RESTORE = "premade restore"
FILES_COPIED = "files were copied"
"""The same words as in the statement `look`."""


@dataclass(frozen=True)
class KnownState:
    """The state of the database at the last check of this process. The database must never fall behind it."""

    incarnation_id: UUID
    wal_bytes: int


async def confirm_incarnation(
    database: Database, runtime: Runtime, *, known: KnownState | None = None, marker: Marker | None = None
) -> KnownState | None:
    """Begin a new incarnation if the database was restored, copied or promoted. Of several processes, one does it.

    `known`: what the last call returned in this process. `marker`: of the embedded database.

    Returns:
        The present state. None while the server is in recovery.
    """
    async with database.single_statement() as tx:
        now = await _look(tx)
    lacks_marker = marker is not None and now.marker is None
    if _difference(now, known, marker) is None and now.is_refreshed and not lacks_marker:
        return _state(now)
    async with database.transaction() as tx:
        await tx.execute(sql.lock_incarnation)
        now = await _look(tx)
        if difference := _difference(now, known, marker):
            await _begin(tx, runtime, noticed_by=difference)
        elif not now.is_refreshed:
            await tx.execute(sql.refresh)
        if marker is not None and (difference or not now.is_refreshed or now.marker is None):
            await tx.execute(sql.set_marker, marker=marker.renew())
        return _state(await _look(tx))


async def unrecorded_restore(database: Database, marker: Marker | None) -> str | None:
    """Return the sign of a restore, a copy or a promotion that no process has recorded yet, or None. Changes nothing."""
    async with database.single_statement() as tx:
        return _difference(await _look(tx), None, marker)


def _difference(now: sql.IncarnationLook, known: KnownState | None, marker: Marker | None) -> str | None:
    """Return the sign that the database was restored, copied or promoted, or None."""
    stored_marker = None if marker is None else now.marker
    is_copied = marker is not None and stored_marker not in (None, marker.read())
    # The marker says that the files were not copied: only their owner or mode has changed.
    are_the_same_files = (
        stored_marker is not None
        and not is_copied
        and now.differences == FILES_COPIED
        and not now.is_refreshed
    )
    if now.incarnation_id is None and not are_the_same_files:
        return now.differences or "the clocks of codes went back"
    if is_copied:
        return FILES_COPIED
    if known is None or known.incarnation_id != now.incarnation_id or now.wal_bytes is None:
        return None
    return "the write-ahead log went back" if now.wal_bytes < known.wal_bytes else None


def _state(now: sql.IncarnationLook) -> KnownState | None:
    if now.incarnation_id is None or now.wal_bytes is None:
        return None
    return KnownState(now.incarnation_id, now.wal_bytes)


async def begin_incarnation(
    database: Database,
    runtime: Runtime,
    *,
    clock_lead_seconds: int = 0,
    actor: str | None = None,
    noticed_by: str = BY_COMMAND,
) -> DatabaseRestoration:
    """Begin a new incarnation because a command says that the database was restored.

    `clock_lead_seconds`: lead of the database's wall clock when it issued the codes that it has forgotten.
    """
    async with database.transaction() as tx:
        await tx.execute(sql.lock_incarnation)
        return await _begin(
            tx, runtime, noticed_by=noticed_by, clock_lead_seconds=clock_lead_seconds, actor=actor
        )


async def _look(tx: Transaction) -> sql.IncarnationLook:
    row = await tx.fetch_one(sql.look)
    assert row is not None
    return row


async def _begin(
    tx: Transaction,
    runtime: Runtime,
    *,
    noticed_by: str,
    clock_lead_seconds: int = 0,
    actor: str | None = None,
) -> DatabaseRestoration:
    await tx.fetch_all(sql.begin, more_ms=clock_lead_seconds * CODES_A_SECOND)
    key_ids = await add_keys_after_restore(tx, runtime)
    await tx.execute(sql.set_key_of_unfinished_batches, key_ids=key_ids)
    event = DatabaseRestoration(
        noticed_by=noticed_by, signing_key_ids=key_ids, clock_lead_seconds=clock_lead_seconds
    )
    await record(tx, event, runtime.now(), partner_id=None, actor=actor or SERVICE)
    # No warning if the operator reported the restore.
    (log.info if noticed_by in (BY_COMMAND, BY_RESTORE) else log.warning)(
        "database.restored", **event.values()
    )
    return event


def confirm_incarnation_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task. It confirms that the database has not fallen behind the turn before."""
    known: KnownState | None = None

    async def turn() -> float:
        nonlocal known
        known = await confirm_incarnation(database, runtime, known=known) or known
        return LOOK_EVERY_SECONDS

    return turn
