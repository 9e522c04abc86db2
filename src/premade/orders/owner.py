"""The partner of a ticket or an order, for staff: they name it without its partner."""

from premade.orders import owner_sql as sql
from premade.orders.lookup import OrderUnknown
from premade.postgres.database import Database
from premade.tickets.code import is_order_id, is_ticket_code
from premade.tickets.lookup import TicketUnknown


async def partner_of_ticket(database: Database, code: str) -> sql.TicketOwner:
    """Return the partner of the ticket.

    Raises:
        TicketUnknown: there is no such ticket.
    """
    row = None
    if is_ticket_code(code):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.partner_of_ticket, ticket_code=code)
    if row is None:
        raise TicketUnknown("of_no_partner")
    return row


async def partner_of_order(database: Database, order_id: str) -> sql.OrderOwner:
    """Return the partner of the order.

    Raises:
        OrderUnknown: there is no such order.
    """
    row = None
    if is_order_id(order_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.partner_of_order, order_id=order_id)
    if row is None:
        raise OrderUnknown("of_no_partner")
    return row
