"""Finding tickets."""

from dataclasses import dataclass
from typing import Literal

from premade.audit.record import Event
from premade.postgres.database import Database
from premade.runtime.errors import NotFound
from premade.tickets import lookup_sql as sql
from premade.tickets.code import is_ticket_code, possible_code

HISTORY_EVENTS_MAX = 1000
GENERATED = "ticket.generated"
"""How a ticket's history calls what the record says of its batch."""
_OF_A_TICKET = [
    Event.TICKET_ACTIVATED,
    Event.TICKET_REDEEMED,
    Event.TICKET_CANCELLED,
    Event.TICKET_REISSUED,
    Event.TICKET_EXPIRED,
]
# Of a large batch the first of these tells when its making began; the ticket itself says when it was made.
_MADE_BY_ITS_BATCH = [Event.BATCH_GENERATION_BEGUN, Event.BATCH_GENERATED]


@dataclass(eq=False)
class TicketUnknown(NotFound):
    """No ticket has this code, or it belongs to another partner."""

    code = "TICKET_UNKNOWN"

    reason: Literal["malformed", "unknown", "at_gate", "of_no_partner"]
    ticket_code: str = ""


def ticket_unknown(code: str) -> TicketUnknown:
    """Worded the same whether there is none or it is another partner's, so that a code cannot be probed."""
    return TicketUnknown("unknown" if is_ticket_code(code) else "malformed", code)


async def ticket_of(database: Database, partner_id: int, code: str) -> sql.TicketRow:
    """The partner's ticket. TicketUnknown when it has none of this code."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.ticket_by_code, partner_id=partner_id, ticket_code=possible_code(code))
    if row is None:
        raise ticket_unknown(code)
    return row


async def ticket_with_history(database: Database, partner_id: int, code: str) -> sql.TicketWithHistory:
    """The partner's ticket and its `history`, oldest first, the newest HISTORY_EVENTS_MAX. TicketUnknown."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(
            sql.ticket_with_history,
            partner_id=partner_id,
            ticket_code=possible_code(code),
            events=list(_OF_A_TICKET),
            made_by_its_batch=list(_MADE_BY_ITS_BATCH),
            generated=GENERATED,
            events_max=HISTORY_EVENTS_MAX,
        )
    if row is None:
        raise ticket_unknown(code)
    return row
