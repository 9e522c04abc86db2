"""Move months from the database to files.

A month leaves the database only in the transaction that compares each of its events with the file. The file is complete and
on disk before. So a crash at any point leaves every event in the database, in a file, or in both; never in none.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from psycopg import IsolationLevel
from psycopg.sql import SQL, Identifier

from premade.postgres.backup.contents import Report
from premade.postgres.backup.manifest import sha256_of, size_of
from premade.postgres.database import Transaction
from premade.postgres.event_archive import archive_sql as sql
from premade.postgres.event_archive.block_file import BlockWriter
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.events import (
    LinesRead,
    Summary,
    compare,
    count_of,
    lines_of_partition,
    months_of,
)
from premade.postgres.event_archive.manifest import ArchiveManifest, events_path, manifest_path, read_manifest
from premade.postgres.event_archive.partitions import (
    ArchiveSession,
    lock_with_partners,
    with_short_lock,
)
from premade.runtime.clock import rfc3339
from premade.runtime.month import Month

_DAYS_BEYOND_OFFLINE_SCANS = 1
RecordEvent = Callable[[Transaction, Month, int], Awaitable[None]]
"""Record the move or restore of a month as an audit event, in its transaction. The last argument is the number of its events."""


@dataclass(frozen=True)
class ClosedPartition:
    """A partition whose months are all closed, and the number of its events by month."""

    table: Identifier
    months: Mapping[Month, int]


def closed_before(now: datetime, offline_scan_days: int) -> datetime:
    """Return the time by which a closed month has ended. A device can upload a scan that is `offline_scan_days` old."""
    return now - timedelta(days=offline_scan_days + _DAYS_BEYOND_OFFLINE_SCANS)


async def closed_partitions(
    connection: ArchiveSession, before: Month, now: datetime, offline_scan_days: int
) -> list[ClosedPartition]:
    """Return the partitions whose months are all earlier than `before`, oldest first.

    Raises:
        ArchiveFailed: a month before `before` is not closed, or one of its batches is still being generated.
    """
    tx = Transaction(connection)
    earlier_now = await tx.fetch_one(sql.earlier_of_both_clocks, now=now)
    assert earlier_now is not None
    if before.starts_at > (latest := closed_before(earlier_now, offline_scan_days)):
        raise ArchiveFailed("not_closed", before=before, latest=Month.of(latest), days=offline_scan_days)
    found: list[ClosedPartition] = []
    for name in await tx.fetch_all(sql.partitions_before, ends_at=before.starts_at):
        table = Identifier(name)
        found.append(ClosedPartition(table, await months_of(connection, table)))
    if found:
        unfinished = await tx.fetch_one(sql.unfinished_batch, ends_at=before.starts_at)
        if unfinished is not None:
            raise ArchiveFailed("batch_unfinished", batch=unfinished)
    return found


async def write_month(
    connection: ArchiveSession,
    closed: ClosedPartition,
    month: Month,
    file: BinaryIO,
    report: Report,
) -> ArchiveManifest:
    """Write the events of a month into the file, and return its manifest."""
    writer, summary = BlockWriter(file), Summary()
    async with connection.transaction():
        rows = 0
        async for line in lines_of_partition(connection, closed.table, month):
            writer.add(line, summary.add(line))
            rows += 1
            if rows % 10_000 == 0:
                report(f"Write {month}", rows, None)
    written = writer.finish()
    file.flush()
    path = Path(file.name)
    return ArchiveManifest(
        manifest_version=1,
        month=str(month),
        written_at=rfc3339(datetime.now(UTC)),
        premade_version=version("premade"),
        rows=written.lines,
        first_event_id=summary.first_event_id,
        last_event_id=summary.last_event_id,
        last_transaction_id=summary.last_transaction_id,
        events=dict(sorted(summary.events.items())),
        blocks=written.blocks,
        lines_bytes=written.lines_bytes,
        lines_sha256=written.lines_sha256,
        file_bytes=size_of(path),
        file_sha256=sha256_of(path, lambda _: None),
    )


async def remove_partition(
    connection: ArchiveSession,
    closed: ClosedPartition,
    folder: Path,
    now: datetime,
    report: Report,
    record_event: RecordEvent,
) -> list[ArchiveManifest]:
    """Compare each event of the partition with the files of its months, drop the partition, and return the manifests.

    All this is one transaction. Sales wait only while the partition is detached, for milliseconds. `record_event` is called for each month.

    Raises:
        ArchiveFailed: a file differs, or the lock was not free. Nothing was changed.
    """
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    manifests = [read_manifest(folder, month) for month in closed.months]
    async with connection.transaction():
        tx = Transaction(connection)
        # From here on nobody can write to the partition. Reads go on.
        await connection.execute(SQL("LOCK TABLE ONLY {} IN SHARE MODE").format(closed.table))
        for month, manifest in zip(closed.months, manifests, strict=True):
            compared = await compare(connection, closed.table, month, events_path(folder, month), report)
            if compared != LinesRead(manifest.rows, manifest.lines_sha256):
                raise ArchiveFailed("manifest_unreadable", path=manifest_path(folder, month))
        if sum(manifest.rows for manifest in manifests) != await count_of(connection, closed.table):
            raise ArchiveFailed("partition_grew", partition=closed.table.as_string())
        # Last: a transaction that writes has an id, and then holds back snapshots and vacuum until it ends.
        for month, manifest in zip(closed.months, manifests, strict=True):
            await tx.execute(
                sql.record_archive,
                month=date(month.year, month.number, 1),
                ends_at=month.ends_at,
                rows=manifest.rows,
                last_transaction_id=str(manifest.last_transaction_id),
                digest=manifest.lines_sha256,
                now=now,
            )
            await record_event(tx, month, manifest.rows)
        report("Remove", 0, None)

        async def drop() -> None:
            await lock_with_partners(connection, "audit_events")
            await connection.execute(SQL("ALTER TABLE audit_events DETACH PARTITION {}").format(closed.table))
            await connection.execute(SQL("DROP TABLE {}").format(closed.table))

        await with_short_lock(connection, drop)
    return manifests
