"""The partners of presented tickets, for statements that must be about one partner."""

from collections.abc import Collection

from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.redemption import partner_sql as sql

NO_PARTNER = 0
"""No ticket belongs to it."""


async def partners_at_gate(
    database: Database, caller: GateCaller, ticket_codes: Collection[str]
) -> dict[str, int | None]:
    """Return the partner whose tickets a statement reads, for each code. None: all, for a gate of the operator.

    Where the tables are spread by partner, the tickets' partners are looked up first. Then the statements that lock and
    write are about one partner. For an unknown ticket that is NO_PARTNER.
    """
    if caller.partner_id is not None or not database.by_partner:
        return dict.fromkeys(ticket_codes, caller.partner_id)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(sql.partners_of_tickets, ticket_codes=list(ticket_codes))
    return {**dict.fromkeys(ticket_codes, NO_PARTNER), **{row.ticket_code: row.partner_id for row in rows}}
