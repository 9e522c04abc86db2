"""Listing tickets, in pages."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_READ_MAX, Keyset
from premade.tickets import listing_sql as sql
from premade.tickets.listing_sql import TicketOnPage
from premade.tickets.ticket import Status


class _TimeKey(NamedTuple):
    created_at: datetime
    ticket_id: int


class _CodeKey(NamedTuple):
    ticket_code: str


class _PaymentKey(NamedTuple):
    paid_by: str
    ticket_code: str


BY_TIME = Keyset("tickets", _TimeKey)
BY_CODE = Keyset("tickets of a batch", _CodeKey)
BY_PAYMENT = Keyset("tickets of a payment", _PaymentKey)


@dataclass(frozen=True)
class TicketFilter:
    """Filter of a list of tickets. None: all. 'from' includes its time, 'before' does not."""

    status: Status | None = None
    batch_id: str | None = None
    product_id: int | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    activated_from: datetime | None = None
    activated_before: datetime | None = None
    payment_reference: str | None = None


async def list_tickets(
    database: Database, partner_id: int, ticket_filter: TicketFilter, limit: int, cursor: str | None
) -> tuple[list[TicketOnPage], str | None]:
    """Return a page of the partner's tickets, newest first, and the next cursor.

    With a payment reference, the newest activation is first.

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    parameters: dict[str, Any] = {
        **asdict(ticket_filter),
        "partner_id": partner_id,
        "rows_read_max": ROWS_READ_MAX,
        "rows": limit + 1,
    }
    if ticket_filter.payment_reference is not None:
        after_paid_by, after_ticket_code = BY_PAYMENT.after(cursor) or (None, None)
        async with database.single_read() as tx:
            sales = await tx.fetch_all(
                sql.tickets_of_payment,
                **parameters,
                after_paid_by=after_paid_by,
                after_ticket_code=after_ticket_code,
            )
        page, next_cursor = BY_PAYMENT.page(sales, limit)
        return [*page], next_cursor
    if ticket_filter.batch_id is not None:
        (after_ticket_code,) = BY_CODE.after(cursor) or (None,)
        async with database.single_read() as tx:
            rows = await tx.fetch_all(sql.tickets_of_batch, **parameters, after_ticket_code=after_ticket_code)
        return BY_CODE.page(rows, limit)
    after_created_at, after_ticket_id = BY_TIME.after(cursor) or (None, None)
    async with database.single_read() as tx:
        rows = await tx.fetch_all(
            sql.tickets_by_time,
            **parameters,
            after_created_at=after_created_at,
            after_ticket_id=after_ticket_id,
        )
    return BY_TIME.page(rows, limit)
