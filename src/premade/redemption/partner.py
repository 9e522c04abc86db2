"""Look up the partners of tickets at the gate, for statements that must be about one partner."""

from collections.abc import Collection

from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.redemption import partner_sql as sql

NO_PARTNER = 0
"""No ticket belongs to it."""


async def partners_at_gate(
    database: Database, caller: GateCaller, ticket_codes: Collection[str]
) -> dict[str, int | None]:
    """Return, for each code, the partner whose tickets a statement may read. None means all, for a gate of the operator.

    If the tables are spread by partner, look the partners of the tickets up, so that the statements that lock and write are
    about one partner. The partner of an unknown ticket is NO_PARTNER.
    """
    if caller.partner_id is not None or not database.by_partner:
        return dict.fromkeys(ticket_codes, caller.partner_id)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(sql.partners_of_tickets, ticket_codes=list(ticket_codes))
    return {**dict.fromkeys(ticket_codes, NO_PARTNER), **{row.ticket_code: row.partner_id for row in rows}}
