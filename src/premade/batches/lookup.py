"""Finding batches, and counting their tickets."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from premade.batches import lookup_sql as sql
from premade.batches.batch import BatchStatus, batch_unknown, is_batch_id
from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_LOOKED_AT_MAX, Keyset


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
    """The partner's batch, with its tickets by state. BatchUnknown when it has none of this id."""
    row = None
    if is_batch_id(batch_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.batch_by_id, partner_id=partner_id, batch_id=batch_id)
    if row is None:
        raise batch_unknown(batch_id)
    return row


@dataclass(frozen=True)
class BatchFilter:
    """Which batches: of this product, and as far as this; None: whichever."""

    product_id: int | None = None
    status: BatchStatus | None = None


async def list_batches(
    database: Database,
    partner_id: int,
    created: tuple[datetime | None, datetime | None],
    limit: int,
    cursor: str | None,
    wanted: BatchFilter | None = None,
) -> tuple[list[sql.ListedBatch], str | None]:
    """A page of the partner's batches, the newest first, and the cursor of the next. Invalid: no cursor of theirs.

    `created` is from its first moment to before its second; None: without that bound. With `wanted`, a page does not end
    where its batches have many tickets: those after that are not counted, see `is_counted`.
    """
    after, before = BY_TIME.after(cursor), created[1]
    if before is not None and (after is None or before < after.created_at):
        after = _BatchListKey(before, "")
    after_created_at, after_batch_id = after or (None, None)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.batches_by_time,
            after_created_at=after_created_at,
            after_batch_id=after_batch_id,
            partner_id=partner_id,
            created_from=created[0],
            **asdict(wanted or BatchFilter()),
            rows_looked_at_max=ROWS_LOOKED_AT_MAX,
            rows=limit + 1,
        )
    return BY_TIME.page(rows, _counted(rows, limit) if wanted is None else limit)


async def list_batches_of_all(
    database: Database, limit: int, cursor: str | None, wanted: BatchFilter
) -> tuple[list[sql.BatchOfAny], str | None]:
    """A page of all partners' batches, the newest first, and the cursor of the next; for the operator alone. Those after
    many tickets are not counted, see `is_counted`.
    """
    after_created_at, after_partner_id, after_batch_id = OF_ALL.after(cursor) or (None, None, None)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.batches_of_all,
            after_created_at=after_created_at,
            after_partner_id=after_partner_id,
            after_batch_id=after_batch_id,
            **asdict(wanted or BatchFilter()),
            rows_looked_at_max=ROWS_LOOKED_AT_MAX,
            rows=limit + 1,
        )
    return OF_ALL.page(rows, limit)


def is_counted(row: sql.ListedBatch | sql.BatchOfAny) -> bool:
    """Whether the tickets of a batch in a list are counted by state: a page counts a bounded number of them."""
    return row.tickets_before < ROWS_LOOKED_AT_MAX


def _counted(rows: list[sql.ListedBatch], limit: int) -> int:
    """How many of them have their tickets counted: a page ends where the batches before have enough."""
    return min(limit, sum(row.tickets_before < ROWS_LOOKED_AT_MAX for row in rows))


async def made_of_product(database: Database, product_id: int) -> sql.Made:
    """How many `tickets` of the product are made, or have their stock and will be, in how many `batches`."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.made_of_product, product_id=product_id)
    assert row is not None
    return row
