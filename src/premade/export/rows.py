"""The tickets of a batch as rows of an export: one snapshot of the database, in portions.

No row contains a customer's data.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from premade.audit.events import BatchExported
from premade.audit.views import VIEW, once_an_hour
from premade.batches.batch import batch_unknown, is_batch_id
from premade.export import rows_sql as sql
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict, NotFound
from premade.tickets.code import stored_token
from premade.tickets.ticket import FINAL, Status
from premade.values.currency import in_full

TOKEN = "qr_token"  # noqa: S105  (the name of a column)
"""The column with the QR. Roles that may not see QRs get all other columns."""
ENTITLEMENTS = "entitlements"

NOT_OVER = tuple(status for status in Status if status not in FINAL)
"""States of printed tickets by default: a gate may admit them, now or once they are sold."""
Value = str | int | Decimal | date | datetime | None


@dataclass(slots=True)
class ExportRow:
    """One ticket, with the columns of every format in their order."""

    ticket_code: str
    status: str
    qr_token: str
    """Empty in an export without tokens."""
    product_id: int
    product_name: str
    batch_id: str
    issue_number: int
    entitlements: str
    """The text of a JSON array, as the table has it."""
    price: Decimal
    currency: str
    valid_until: date | None
    usable_until: date | None
    created_at: datetime
    activated_at: datetime | None
    order_id: str | None

    def value(self, column: str) -> Value:
        """Return the value of a column."""
        return getattr(self, column)


COLUMNS = tuple(column.name for column in fields(ExportRow))


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
    """Selection of a batch's tickets, and whether their QR tokens are exported."""

    partner_id: int
    batch_id: str
    statuses: Sequence[Status] | None = None
    """None: in every state."""
    after_code: str = ""
    rows_max: int | None = None
    last_code: str | None = None
    has_tokens: bool = True


@dataclass(frozen=True)
class Export:
    """An export in progress: its rows in portions, by ticket code."""

    batch: sql.BatchToExport
    columns: Sequence[str]
    portions: AsyncGenerator[list[ExportRow]]


async def part_of(
    database: Database, selection: TicketsToExport, part: int, tickets_a_part: int
) -> TicketsToExport:
    """Return the selection limited to one part of the batch. The first part is 1.

    A part has `tickets_a_part` tickets in any state. So a sale or cancellation between two exports moves no ticket to
    another part.

    Raises:
        BatchUnknown: the partner has no such batch.
        PartUnknown: the batch has fewer parts.
    """
    if not is_batch_id(selection.batch_id):
        raise batch_unknown(selection.batch_id)
    before, last = (part - 1) * tickets_a_part, part * tickets_a_part
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.codes_at,
            partner_id=selection.partner_id,
            batch_id=selection.batch_id,
            places=[before, before + 1, last],
            place_max=last,
        )
    codes = {row.place: row.ticket_code for row in rows}
    if before + 1 not in codes:
        raise PartUnknown(selection.batch_id, part)
    return replace(selection, after_code=codes.get(before, ""), last_code=codes.get(last))


@dataclass(frozen=True)
class Exporter:
    """The actor of an export, for the audit record."""

    actor: str
    request_id: str | None
    once_an_hour: bool = False
    """Whether repeated exports of the same tickets in one hour are recorded once."""


async def record_export(
    database: Database,
    runtime: Runtime,
    selection: TicketsToExport,
    exporter: Exporter,
    *,
    form: str,
    part: int | None = None,
) -> None:
    """Record an export of these tickets in this format. Do nothing if there is no such batch."""
    if not is_batch_id(selection.batch_id):
        return
    now = runtime.now()
    states = None if selection.statuses is None else [str(status) for status in selection.statuses]
    event = BatchExported(format=form, part=part, states=states)
    async with database.single_statement() as tx:
        await tx.execute(
            sql.record_export,
            partner_id=selection.partner_id,
            batch_id=selection.batch_id,
            event=event.event_name,
            actor=exporter.actor,
            request_id=exporter.request_id,
            data=event.json(),
            now=now,
            operation=VIEW if exporter.once_an_hour else None,
            once=once_an_hour(now, exporter.actor, selection.batch_id, form, str(selection.statuses))
            if exporter.once_an_hour
            else None,
        )


@asynccontextmanager
async def read_export(database: Database, selection: TicketsToExport) -> AsyncGenerator[Export]:
    """Open an export of the selected tickets, on one snapshot of the database.

    Raises:
        BatchUnknown: the partner has no such batch.
    """
    if not is_batch_id(selection.batch_id):
        raise batch_unknown(selection.batch_id)
    statuses: list[str] | None = None if selection.statuses is None else list(selection.statuses)
    async with database.long_read() as read:
        batch = await read.fetch_one(
            sql.batch_to_export,
            partner_id=selection.partner_id,
            batch_id=selection.batch_id,
            statuses=statuses,
        )
        if batch is None:
            raise batch_unknown(selection.batch_id)
        stored = read.portions(
            sql.tickets_to_export,
            partner_id=selection.partner_id,
            batch_id=selection.batch_id,
            statuses=statuses,
            after_code=selection.after_code,
            last_code=selection.last_code,
            rows_max=selection.rows_max,
        )
        columns = [column for column in COLUMNS if selection.has_tokens or column != TOKEN]
        async with aclosing(stored), aclosing(_rows(stored, batch, columns)) as portions:
            yield Export(batch, columns, portions)


async def _rows(
    stored: AsyncGenerator[list[sql.TicketToExport]], batch: sql.BatchToExport, columns: Sequence[str]
) -> AsyncGenerator[list[ExportRow]]:
    has_tokens = TOKEN in columns
    async for portion in stored:
        yield [_row(ticket, batch, has_token=has_tokens) for ticket in portion]


def _row(ticket: sql.TicketToExport, batch: sql.BatchToExport, *, has_token: bool) -> ExportRow:
    return ExportRow(
        ticket_code=ticket.ticket_code,
        status=ticket.status,
        qr_token=stored_token(ticket.qr_code) if has_token else "",
        product_id=batch.product_id,
        product_name=batch.product_name,
        batch_id=batch.batch_id,
        issue_number=ticket.issue_number,
        entitlements=ticket.entitlements,
        price=in_full(ticket.price, ticket.currency),
        currency=ticket.currency,
        valid_until=ticket.valid_until,
        usable_until=ticket.usable_until,
        created_at=ticket.created_at,
        activated_at=ticket.activated_at,
        order_id=ticket.order_id,
    )
