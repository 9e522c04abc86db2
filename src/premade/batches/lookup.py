"""Finding batches, and counting their tickets."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from premade.batches import lookup_sql as sql
from premade.batches.batch import BatchStatus, batch_unknown, is_batch_id
from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_READ_MAX, Keyset


class _BatchListKey(NamedTuple):
    created_at: datetime
    batch_id: str


class _BatchesOfAllKey(NamedTuple):
    created_at: datetime
    partner_id: int
    batch_id: str


BY_TIME = Keyset("batches", _BatchListKey)
OF_ALL = Keyset("batches of all", _BatchesOfAllKey)


async def batch_of(database: Database, partner_id: int, batch_id: str) -> sql.BatchRow:
    """Return the partner's batch, with its tickets by state.

    Raises:
        BatchUnknown: the partner has no such batch.
    """
    row = None
    if is_batch_id(batch_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.batch_by_id, partner_id=partner_id, batch_id=batch_id)
    if row is None:
        raise batch_unknown(batch_id)
    return row


@dataclass(frozen=True)
class BatchFilter:
    """Filter of a list of batches. None: all."""

    product_id: int | None = None
    status: BatchStatus | None = None


async def list_batches(
    database: Database,
    partner_id: int,
    created: tuple[datetime | None, datetime | None],
    limit: int,
    cursor: str | None,
    batch_filter: BatchFilter | None = None,
) -> tuple[list[sql.ListedBatch], str | None]:
    """Return a page of the partner's batches, newest first, and the next cursor.

    `created`: earliest time, and the time before which they were created; None: no limit. Without a filter, a page ends
    when its batches have many tickets. With one it does not, and the tickets of further batches are not counted
    (`is_counted`).

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    after, before = BY_TIME.after(cursor), created[1]
    if before is not None and (after is None or before < after.created_at):
        after = _BatchListKey(before, "")
    after_created_at, after_batch_id = after or (None, None)
    async with database.single_read() as tx:
        rows = await tx.fetch_all(
            sql.batches_by_time,
            after_created_at=after_created_at,
            after_batch_id=after_batch_id,
            partner_id=partner_id,
            created_from=created[0],
            **asdict(batch_filter or BatchFilter()),
            rows_read_max=ROWS_READ_MAX,
            rows=limit + 1,
        )
    return BY_TIME.page(rows, _counted(rows, limit) if batch_filter is None else limit)


async def list_batches_of_all(
    database: Database, limit: int, cursor: str | None, batch_filter: BatchFilter
) -> tuple[list[sql.BatchOfAny], str | None]:
    """Return a page of the batches of all partners, newest first, and the next cursor.

    The page counts the tickets of its first batches only (`is_counted`).
    """
    after_created_at, after_partner_id, after_batch_id = OF_ALL.after(cursor) or (None, None, None)
    async with database.single_read() as tx:
        rows = await tx.fetch_all(
            sql.batches_of_all,
            after_created_at=after_created_at,
            after_partner_id=after_partner_id,
            after_batch_id=after_batch_id,
            **asdict(batch_filter),
            rows_read_max=ROWS_READ_MAX,
            rows=limit + 1,
        )
    return OF_ALL.page(rows, limit)


def is_counted(row: sql.ListedBatch | sql.BatchOfAny) -> bool:
    """Return whether the page has counted the batch's tickets by state. A page counts a limited number of tickets."""
    return row.tickets_before < ROWS_READ_MAX


def _counted(rows: list[sql.ListedBatch], limit: int) -> int:
    """Return the number of batches whose tickets are counted, at most `limit`."""
    return min(limit, sum(map(is_counted, rows)))


async def issued_of_product(database: Database, product_id: int) -> sql.IssuedTickets:
    """Return the number of batches of the product, and of their tickets: generated, or still to be generated."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.issued_of_product, product_id=product_id)
    assert row is not None
    return row
