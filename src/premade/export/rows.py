"""The tickets of a batch as rows, read at one moment and never held all at once. What each format is made of.

No row says anything about a customer.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from premade.audit.events import BatchExported
from premade.audit.looks import LOOK, once_an_hour
from premade.batches.batch import batch_unknown, is_batch_id
from premade.export import rows_sql as sql
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, NotFound
from premade.tickets.code import stored_token
from premade.tickets.ticket import FINAL, Status
from premade.values.currency import in_full

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
TOKEN = "qr_token"  # noqa: S105  (the name of a column)
"""The column with the QR. Roles that may not see QRs get all other columns."""

NOT_OVER = tuple(status for status in Status if status not in FINAL)
"""What is printed unless told otherwise: tickets that a gate may let in, now or once they are sold."""

Row = dict[str, Any]
"""One ticket by COLUMNS. `entitlements` is the text of a JSON array, as the table has it."""


@dataclass(eq=False)
class NothingToPrint(Conflict):
    """The batch, or this part of it, has no ticket in these states."""

    code = "NOTHING_TO_PRINT"

    batch_id: str
    states: str = ""

    @property
    def reason(self) -> Literal["states", "chosen"]:
        """Return whether the detail names the states."""
        return "states" if self.states else "chosen"


@dataclass(eq=False)
class PartUnknown(NotFound):
    """The batch has fewer tickets, and so fewer parts."""

    code = "PART_UNKNOWN"

    batch_id: str
    part: int


@dataclass(frozen=True)
class TicketsToExport:
    """Which tickets: those of a partner's batch in these states (None: in any), after a code and up to another,
    so many at most; `has_tokens`: with their QR tokens.
    """

    partner_id: int
    batch_id: str
    statuses: Sequence[Status] | None = None
    after_code: str = ""
    rows_max: int | None = None
    last_code: str | None = None
    has_tokens: bool = True


@dataclass(frozen=True)
class Export:
    """The rows in portions, in the order of their codes, for as long as the read lasts."""

    batch: sql.BatchToExport
    columns: Sequence[str]
    portions: AsyncGenerator[list[Row]]


async def part_of(
    database: Database, wanted: TicketsToExport, part: int, tickets_a_part: int
) -> TicketsToExport:
    """The same of one part of the batch, the first being 1. PartUnknown.

    Parts are of so many tickets in whatever state, so that what is sold or cancelled between two parts moves none from one to
    the other.
    """
    if not is_batch_id(wanted.batch_id):
        raise batch_unknown(wanted.batch_id)
    before, last = (part - 1) * tickets_a_part, part * tickets_a_part
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.codes_at,
            partner_id=wanted.partner_id,
            batch_id=wanted.batch_id,
            places=[before, before + 1, last],
            place_max=last,
        )
    codes = {row.place: row.ticket_code for row in rows}
    if before + 1 not in codes:
        raise PartUnknown(wanted.batch_id, part)
    return replace(wanted, after_code=codes.get(before, ""), last_code=codes.get(last))


@dataclass(frozen=True)
class Exporter:
    """Who exports. `once_an_hour`: repeated exports of the same tickets in one hour are recorded once."""

    actor: str
    request_id: str | None
    once_an_hour: bool = False


async def record_export(
    database: Database,
    runtime: Runtime,
    wanted: TicketsToExport,
    exporter: Exporter,
    *,
    form: str,
    part: int | None = None,
) -> None:
    """Record that somebody exports these tickets in this format. Do nothing if there is no such batch."""
    if not is_batch_id(wanted.batch_id):
        return
    now = runtime.now()
    states = None if wanted.statuses is None else [str(status) for status in wanted.statuses]
    event = BatchExported(format=form, part=part, states=states)
    async with database.single_statement() as tx:
        await tx.execute(
            sql.tell_export,
            partner_id=wanted.partner_id,
            batch_id=wanted.batch_id,
            event=event.event_name,
            actor=exporter.actor,
            request_id=exporter.request_id,
            data=event.json(),
            now=now,
            operation=LOOK if exporter.once_an_hour else None,
            once=once_an_hour(now, exporter.actor, wanted.batch_id, form, str(wanted.statuses))
            if exporter.once_an_hour
            else None,
        )


@asynccontextmanager
async def read_export(database: Database, wanted: TicketsToExport) -> AsyncGenerator[Export]:
    """The tickets as they are at one moment. BatchUnknown when the partner has no such batch."""
    if not is_batch_id(wanted.batch_id):
        raise batch_unknown(wanted.batch_id)
    statuses: list[str] | None = None if wanted.statuses is None else list(wanted.statuses)
    async with database.long_read() as read:
        found = await read.fetch_one(
            sql.batch_to_export, partner_id=wanted.partner_id, batch_id=wanted.batch_id, statuses=statuses
        )
        if found is None:
            raise batch_unknown(wanted.batch_id)
        stored = read.portions(
            sql.tickets_to_export,
            partner_id=wanted.partner_id,
            batch_id=wanted.batch_id,
            statuses=statuses,
            after_code=wanted.after_code,
            last_code=wanted.last_code,
            rows_max=wanted.rows_max,
        )
        columns = [column for column in COLUMNS if wanted.has_tokens or column != TOKEN]
        async with aclosing(stored), aclosing(_rows(stored, found, columns)) as portions:
            yield Export(found, columns, portions)


async def _rows(
    stored: AsyncGenerator[list[sql.TicketToExport]], batch: sql.BatchToExport, columns: Sequence[str]
) -> AsyncGenerator[list[Row]]:
    async for portion in stored:
        rows = [_row(ticket, batch) for ticket in portion]
        yield rows if TOKEN in columns else [{name: row[name] for name in columns} for row in rows]


def _row(ticket: sql.TicketToExport, batch: sql.BatchToExport) -> Row:
    return {
        "ticket_code": ticket.ticket_code,
        "status": ticket.status,
        "qr_token": stored_token(ticket.qr_code),
        "product_id": batch.product_id,
        "product_name": batch.product_name,
        "batch_id": batch.batch_id,
        "issue_number": ticket.issue_number,
        "entitlements": ticket.entitlements,
        "price": in_full(ticket.price, ticket.currency),
        "currency": ticket.currency,
        "valid_until": ticket.valid_until,
        "usable_until": ticket.usable_until,
        "created_at": ticket.created_at,
        "activated_at": ticket.activated_at,
        "order_id": ticket.order_id,
    }
