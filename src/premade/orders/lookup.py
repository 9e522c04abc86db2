"""Finding orders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from premade.orders import lookup_sql as sql
from premade.postgres.database import Database
from premade.postgres.keyset import ROWS_READ_MAX, Keyset
from premade.runtime.errors import NotFound
from premade.tickets.code import is_order_id


class _OrderKey(NamedTuple):
    order_id: str


BY_ID = Keyset("orders", _OrderKey)
CLOCKS_APART_MAX = timedelta(days=1)
"""Maximum lead of the service's clock. The time in an order id is never before the database's clock."""


@dataclass(eq=False)
class OrderUnknown(NotFound):
    """No order has this id, or it belongs to another partner."""

    code = "ORDER_UNKNOWN"

    reason: Literal["malformed", "unknown", "of_no_partner"]
    order_id: str = ""


def order_unknown(order_id: str) -> OrderUnknown:
    """Return the error for an id that no order of the partner has."""
    return OrderUnknown("unknown" if is_order_id(order_id) else "malformed", order_id)


async def order_of(database: Database, partner_id: int, order_id: str) -> sql.OrderRow:
    """Return the partner's order with its ticket codes.

    Raises:
        OrderUnknown: the partner has no such order.
    """
    row = None
    if is_order_id(order_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.order_by_id, partner_id=partner_id, order_id=order_id)
    if row is None:
        raise order_unknown(order_id)
    return row


@dataclass(frozen=True)
class OrderFilter:
    """Filter of a list of orders. None: all. 'from' includes its time, 'before' does not."""

    payment_reference: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None

    @property
    def oldest_id(self) -> str:
        """Return a lower bound of the ids of orders since `created_from`."""
        if self.created_from is None:
            return "ORD-"
        milliseconds = int((self.created_from.timestamp() - CLOCKS_APART_MAX.total_seconds()) * 1000)
        return f"ORD-{max(milliseconds, 0):013d}"


async def list_orders(
    database: Database, partner_id: int, order_filter: OrderFilter, limit: int, cursor: str | None
) -> tuple[list[sql.OrderRow], str | None]:
    """Return a page of the partner's orders, newest first, and the next cursor.

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    (after_order_id,) = BY_ID.after(cursor) or (None,)
    parameters: dict[str, Any] = {
        **asdict(order_filter),
        "after_order_id": after_order_id,
        "oldest_id": order_filter.oldest_id,
        "partner_id": partner_id,
        "rows_read_max": ROWS_READ_MAX,
        "rows": limit + 1,
    }
    rows: Sequence[sql.OrderRow]
    async with database.single_read() as tx:
        if order_filter.payment_reference is None:
            rows = await tx.fetch_all(sql.orders_by_id, **parameters)
        else:
            rows = await tx.fetch_all(sql.orders_of_payment, **parameters)
    return BY_ID.page(rows, limit)
