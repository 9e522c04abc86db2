"""Listing tickets, in pages."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_LOOKED_AT_MAX, Keyset
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
    """Which tickets; None: whichever. Each 'from' is with its moment, each 'before' without."""

    status: Status | None = None
    batch_id: str | None = None
    product_id: int | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    activated_from: datetime | None = None
    activated_before: datetime | None = None
    payment_reference: str | None = None


async def list_tickets(
    database: Database, partner_id: int, wanted: TicketFilter, limit: int, cursor: str | None
) -> tuple[list[TicketOnPage], str | None]:
    """A page of the partner's tickets, the newest first, and the cursor of the next. Invalid: no cursor of theirs.

    With a payment reference the newest sale is first.
    """
    conditions: dict[str, Any] = {
        **asdict(wanted),
        "partner_id": partner_id,
        "rows_looked_at_max": ROWS_LOOKED_AT_MAX,
        "rows": limit + 1,
    }
    if wanted.payment_reference is not None:
        after_paid_by, after_ticket_code = BY_PAYMENT.after(cursor) or (None, None)
        async with database.single_statement() as tx:
            sales = await tx.fetch_all(
                sql.tickets_of_payment,
                **conditions,
                after_paid_by=after_paid_by,
                after_ticket_code=after_ticket_code,
            )
        page, following = BY_PAYMENT.page(sales, limit)
        return [*page], following
    if wanted.batch_id is not None:
        (after_ticket_code,) = BY_CODE.after(cursor) or (None,)
        async with database.single_statement() as tx:
            rows = await tx.fetch_all(sql.tickets_of_batch, **conditions, after_ticket_code=after_ticket_code)
        return BY_CODE.page(rows, limit)
    after_created_at, after_ticket_id = BY_TIME.after(cursor) or (None, None)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.tickets_by_time,
            **conditions,
            after_created_at=after_created_at,
            after_ticket_id=after_ticket_id,
        )
    return BY_TIME.page(rows, limit)
