"""Finding tickets."""

from dataclasses import dataclass
from typing import Literal

from premade.postgres.database import Database
from premade.runtime.errors import NotFound
from premade.tickets import lookup_sql as sql
from premade.tickets.code import is_ticket_code, possible_code
from premade.tickets.history import GENERATED, OF_BATCH, OF_TICKET, HistoryEvent, history_of

HISTORY_EVENTS_MAX = 1000


@dataclass(frozen=True)
class TicketHistory:
    """A ticket and its history, oldest first: the newest HISTORY_EVENTS_MAX events."""

    ticket: sql.TicketWithHistory
    history: list[HistoryEvent]


@dataclass(eq=False)
class TicketUnknown(NotFound):
    """No ticket has this code, or it belongs to another partner."""

    code = "TICKET_UNKNOWN"

    reason: Literal["malformed", "unknown", "at_gate", "of_no_partner"]
    ticket_code: str = ""


def ticket_unknown(code: str) -> TicketUnknown:
    """Return the error. It is the same for a code that does not exist and for another partner's, so that nobody can probe."""
    return TicketUnknown("unknown" if is_ticket_code(code) else "malformed", code)


async def ticket_of(database: Database, partner_id: int, code: str) -> sql.TicketRow:
    """Return the partner's ticket.

    Raises:
        TicketUnknown: the partner has no such ticket.
    """
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.ticket_by_code, partner_id=partner_id, ticket_code=possible_code(code))
    if row is None:
        raise ticket_unknown(code)
    return row


async def ticket_with_history(database: Database, partner_id: int, code: str) -> TicketHistory:
    """Return the partner's ticket and its history.

    Raises:
        TicketUnknown: the partner has no such ticket.
    """
    async with database.single_statement() as tx:
        row = await tx.fetch_one(
            sql.ticket_with_history,
            partner_id=partner_id,
            ticket_code=possible_code(code),
            events=[event_class.event_name for event_class in OF_TICKET],
            events_of_batch=[event_class.event_name for event_class in OF_BATCH],
            generated=GENERATED,
            events_max=HISTORY_EVENTS_MAX,
        )
    if row is None:
        raise ticket_unknown(code)
    return TicketHistory(row, history_of(row.history))
