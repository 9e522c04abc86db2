"""Restore a month from its file into the database."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path

from psycopg.errors import CheckViolation, ForeignKeyViolation
from psycopg.sql import SQL, Identifier, Literal

from premade.postgres.backup.contents import Report
from premade.postgres.database import Transaction
from premade.postgres.event_archive import archive_sql as sql
from premade.postgres.event_archive.block_file import lines_of
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.events import compare
from premade.postgres.event_archive.manifest import ArchiveManifest, events_path
from premade.postgres.event_archive.move import RecordEvent
from premade.postgres.event_archive.partitions import (
    ArchiveSession,
    lock_with_partners,
    with_short_lock,
)
from premade.runtime.month import Month

_PORTION_LINES = 2_000
_LOAD = SQL(
    "INSERT INTO {} SELECT e.* FROM unnest(%s::text[]) AS lines (line)"
    " CROSS JOIN LATERAL json_populate_record(NULL::audit_events, line::json) AS e"
)
_CHECK_MONTH = SQL(
    "ALTER TABLE {} ADD CONSTRAINT is_of_month CHECK (occurred_at >= {}::timestamptz AND occurred_at < {}::timestamptz)"
)
_DROP_CHECK = SQL("ALTER TABLE {} DROP CONSTRAINT is_of_month")
_REFER_TO_PARTNERS = SQL(
    "ALTER TABLE {} ADD CONSTRAINT audit_events_partner FOREIGN KEY (partner_id) REFERENCES partners (partner_id)"
)
_ATTACH = SQL("ALTER TABLE audit_events ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")


async def restore_month(
    connection: ArchiveSession,
    folder: Path,
    manifest: ArchiveManifest,
    report: Report,
    record_event: RecordEvent,
) -> None:
    """Load the verified file of a month into a new partition. `record_event` is called in the same transaction.

    Raises:
        ArchiveFailed: the database has a partition for this month, lacks a partner of an event, or got events of the
            month after it was archived; or no attempt got the lock. Nothing was changed.
    """
    month = Month.read(manifest.month)
    tx = Transaction(connection)
    taken_by = await tx.fetch_one(sql.partition_of, starts_at=month.starts_at, ends_at=month.ends_at)
    if taken_by is not None:
        raise ArchiveFailed("in_database", month=month, partition=taken_by)
    name = f"audit_events_{month.year:04}_{month.number:02}"
    table, path = Identifier(name), events_path(folder, month)
    bounds = [Literal(moment.isoformat()) for moment in (month.starts_at, month.ends_at)]
    async with connection.transaction():
        await tx.execute(sql.create_audit_table, name=name)
        loaded = 0
        for portion in _portions(lines_of(path)):
            await connection.execute(_LOAD.format(table), [portion])
            loaded += len(portion)
            report("Load", loaded, manifest.rows)
        await compare(connection, table, month, path, report)
        # With both constraints, ATTACH does not read the month while it holds its locks.
        await connection.execute(_CHECK_MONTH.format(table, *bounds))

        async def refer() -> None:
            await connection.execute(_REFER_TO_PARTNERS.format(table))

        async def attach() -> None:
            await lock_with_partners(connection, "audit_events_default")
            await connection.execute(_ATTACH.format(table, *bounds))

        try:
            await with_short_lock(connection, refer)
            await with_short_lock(connection, attach)
        except ForeignKeyViolation as error:
            raise ArchiveFailed("other_database", month=month, why=error.diag.message_detail) from None
        except CheckViolation:
            raise ArchiveFailed("late_events", month=month) from None
        await connection.execute(_DROP_CHECK.format(table))
        await tx.execute(sql.forget_archive, month=date(month.year, month.number, 1))
        await record_event(tx, month, loaded)
    await connection.execute(SQL("ANALYZE {}").format(table))


def _portions(lines: Iterable[bytes]) -> Iterator[list[str]]:
    lines = iter(lines)
    while portion := [line.decode() for line in islice(lines, _PORTION_LINES)]:
        yield portion
