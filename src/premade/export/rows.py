"""The tickets of a batch as rows, read at one moment and never held all at once. What each format is made of.

No row says anything about a customer.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from premade.base import statements
from premade.base.work import Database
from premade.tickets.batch import batch_unknown, is_batch_id
from premade.tickets.code import stored_token
from premade.tickets.ticket import Status

sql = statements.load(__file__)

COLUMNS = (
    "ticket_code",
    "status",
    "qr_token",
    "product_id",
    "product_name",
    "batch_id",
    "issue_number",
    "entitlements",
    "price",
    "currency",
    "valid_until",
    "usable_until",
    "created_at",
    "activated_at",
    "order_id",
)
"""What every format has, in this order."""

Row = dict[str, Any]
"""One ticket by COLUMNS. `entitlements` is the text of a JSON array, as the table has it."""


@dataclass(frozen=True)
class Selection:
    """Which tickets: those of a partner's batch in these states (None: in any), after a code, so many at most."""

    partner_id: int
    batch_id: str
    statuses: Sequence[Status] | None = None
    after_code: str = ""
    rows_max: int | None = None


@dataclass(frozen=True)
class Batch:
    """What the rows have in common; `tickets`: how many of the batch are in the states asked for."""

    batch_id: str
    product_id: int
    product_name: str
    usable_days: int | None
    tickets: int


@dataclass(frozen=True)
class Export:
    """The rows in portions, in the order of their codes, for as long as the read lasts."""

    batch: Batch
    portions: AsyncGenerator[list[Row]]


@asynccontextmanager
async def read_export(database: Database, wanted: Selection) -> AsyncGenerator[Export]:
    """The tickets as they are at one moment. BatchUnknown when the partner has no such batch."""
    if not is_batch_id(wanted.batch_id):
        raise batch_unknown(wanted.batch_id)
    asked = {
        "partner_id": wanted.partner_id,
        "batch_id": wanted.batch_id,
        "statuses": None if wanted.statuses is None else list(wanted.statuses),
    }
    async with database.long_read() as read:
        found = await read.one(sql.batch_to_export, **asked)
        if found is None:
            raise batch_unknown(wanted.batch_id)
        batch = Batch(**found)
        stored = read.portions(
            sql.tickets_to_export, **asked, after_code=wanted.after_code, rows_max=wanted.rows_max
        )
        async with aclosing(stored), aclosing(_rows(stored, batch)) as portions:
            yield Export(batch, portions)


async def _rows(stored: AsyncGenerator[list[Row]], batch: Batch) -> AsyncGenerator[list[Row]]:
    async for portion in stored:
        yield [_row(ticket, batch) for ticket in portion]


def _row(ticket: Row, batch: Batch) -> Row:
    return {
        "ticket_code": ticket["ticket_code"],
        "status": ticket["status"],
        "qr_token": stored_token(ticket["qr_code"]),
        "product_id": batch.product_id,
        "product_name": batch.product_name,
        "batch_id": batch.batch_id,
        "issue_number": ticket["issue_number"],
        "entitlements": ticket["entitlements"],
        "price": ticket["price"],
        "currency": ticket["currency"],
        "valid_until": ticket["valid_until"],
        "usable_until": ticket["usable_until"],
        "created_at": ticket["created_at"],
        "activated_at": ticket["activated_at"],
        "order_id": ticket["order_id"],
    }
