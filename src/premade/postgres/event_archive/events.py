"""The events of a month as JSON lines: read them from a partition, and compare them with a file."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from psycopg import AsyncServerCursor
from psycopg.sql import SQL, Identifier

from premade.postgres.backup.contents import Report
from premade.postgres.event_archive.block_file import lines_of
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.partitions import ArchiveSession
from premade.runtime.month import Month

SEARCH_COLUMNS = ("partner_id", "event", "batch_id", "ticket_code", "order_id")
"""The columns that a search finds events by."""
_PORTION_ROWS = 2_000
# `row_to_json` keeps everything: microseconds, every digit of a number, transaction ids as text.
_LINES = SQL(
    "SELECT row_to_json(e)::text FROM ONLY {} AS e"
    " WHERE occurred_at >= %s::timestamptz AND occurred_at < %s::timestamptz ORDER BY event_id"
)
_MONTHS = SQL(
    "SELECT date_trunc('month', occurred_at, 'UTC') AS month, count(*) FROM ONLY {} GROUP BY month ORDER BY month"
)
_COUNT = SQL("SELECT count(*) FROM ONLY {}")


def value_key(column: str, value: object) -> bytes:
    """Return the bytes that stand for the value of a column in the filter of a block."""
    return f"{column}={value}".encode()


@dataclass
class Summary:
    """Counts and ids of the events of a month. `add` their lines in the order of the ids."""

    events: Counter[str] = field(default_factory=Counter[str])
    first_event_id: int = 0
    """0 until the first event is added, like the two below."""
    last_event_id: int = 0
    last_transaction_id: int = 0

    def add(self, line: bytes) -> list[bytes]:
        """Count the event of a line, and return the `value_key` of each of its SEARCH_COLUMNS that has a value."""
        event: dict[str, Any] = orjson.loads(line)
        self.events[event["event"]] += 1
        self.first_event_id = self.first_event_id or event["event_id"]
        self.last_event_id = event["event_id"]
        self.last_transaction_id = max(self.last_transaction_id, int(event["transaction_id"]))
        return [value_key(name, event[name]) for name in SEARCH_COLUMNS if event[name] is not None]


async def months_of(connection: ArchiveSession, table: Identifier) -> dict[Month, int]:
    """Return the months that a partition has events of, oldest first, with the number of events."""
    cursor = await connection.execute(_MONTHS.format(table))
    return {Month.of(first): events for first, events in await cursor.fetchall()}


async def count_of(connection: ArchiveSession, table: Identifier) -> int:
    """Return the number of events in a partition."""
    cursor = await connection.execute(_COUNT.format(table))
    [row] = await cursor.fetchall()
    return row[0]


async def lines_of_partition(
    connection: ArchiveSession, table: Identifier, month: Month
) -> AsyncGenerator[bytes]:
    """Yield the events of a month in the order of their ids. Needs a transaction."""
    async with AsyncServerCursor(connection, "archive_lines") as cursor:
        cursor.itersize = _PORTION_ROWS
        await cursor.execute(_LINES.format(table), [month.starts_at, month.ends_at])
        async for (line,) in cursor:
            yield line.encode()


@dataclass(frozen=True)
class LinesRead:
    """Number and digest of the lines of a month."""

    rows: int
    sha256: str


async def compare(
    connection: ArchiveSession, table: Identifier, month: Month, path: Path, report: Report
) -> LinesRead:
    """Check that the file has exactly the events that the partition has of this month, and return what was read.

    Raises:
        ArchiveFailed: they differ, or the file is damaged.
    """
    rows, digest, lines = 0, sha256(), lines_of(path)
    async with aclosing(lines_of_partition(connection, table, month)) as of_partition:
        async for line in of_partition:
            if next(lines, None) != line:
                raise ArchiveFailed("differs", path=path, month=month)
            digest.update(line + b"\n")
            rows += 1
            if rows % _PORTION_ROWS == 0:
                report("Compare", rows, None)
    if next(lines, None) is not None:
        raise ArchiveFailed("differs", path=path, month=month)
    return LinesRead(rows, digest.hexdigest())
