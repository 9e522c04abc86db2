"""Finding orders."""

from typing import Any

from premade.base import statements
from premade.base.errors import NotFound
from premade.base.work import Database
from premade.tickets.code import is_order_id

sql = statements.load(__file__)


class OrderUnknown(NotFound):
    """There is no order of this id, or it is another partner's; which of the two is not told."""

    code = "ORDER_UNKNOWN"
    title = "There is no such order"
    remedy = "Check the order_id against the answer of the activation."


async def order_of(database: Database, partner_id: int, order_id: str) -> dict[str, Any]:
    """The partner's order with its ticket codes. OrderUnknown when it has none of this id."""
    row = None
    if is_order_id(order_id):
        async with database.single_statement() as work:
            row = await work.one(sql.order_by_id, partner_id=partner_id, order_id=order_id)
    if row is None:
        message = "There is no such order among yours; an order id looks like ORD-1762274304824."
        raise OrderUnknown(message)
    return row
