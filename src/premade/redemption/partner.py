"""The partner of a presented ticket, for statements that must be about one partner."""

from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.redemption import partner_sql as sql
from premade.redemption.verdict import not_known_here


async def partner_at_gate(database: Database, caller: GateCaller, ticket_code: str) -> int | None:
    """Return the partner whose tickets a statement reads, or None: all, for a gate of the operator.

    Where the tables are spread by partner, the ticket's partner is looked up first. Then the statements that lock and write
    are about one partner.

    Raises:
        TicketUnknown: the tables are spread, and there is no such ticket.
    """
    if caller.partner_id is not None or not database.by_partner:
        return caller.partner_id
    async with database.single_statement() as tx:
        partner_id = await tx.fetch_one(sql.partner_of_ticket, ticket_code=ticket_code)
    if partner_id is None:
        raise not_known_here()
    return partner_id
