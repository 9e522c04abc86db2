"""Listing tickets, in pages."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_LOOKED_AT_MAX, Keyset
from premade.tickets import listing_sql as sql
from premade.tickets.listing_sql import TicketOnPage
from premade.tickets.ticket import Status

BY_TIME = Keyset("tickets", {"created_at": datetime, "ticket_id": int})
BY_CODE = Keyset("tickets of a batch", {"ticket_code": str})
BY_PAYMENT = Keyset("tickets of a payment", {"paid_by": str, "ticket_code": str})


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
    if wanted.payment_reference is not None:
        order = BY_PAYMENT
    else:
        order = BY_TIME if wanted.batch_id is None else BY_CODE
    asked: dict[str, Any] = {
        **asdict(wanted),
        **order.after(cursor),
        "partner_id": partner_id,
        "rows_looked_at_max": ROWS_LOOKED_AT_MAX,
        "rows": limit + 1,
    }
    async with database.single_statement() as tx:
        rows: Sequence[TicketOnPage]
        if order is BY_PAYMENT:
            rows = await tx.fetch_all(sql.tickets_of_payment, **asked)
        elif order is BY_CODE:
            rows = await tx.fetch_all(sql.tickets_of_batch, **asked)
        else:
            rows = await tx.fetch_all(sql.tickets_by_time, **asked)
    return order.page(rows, limit)
