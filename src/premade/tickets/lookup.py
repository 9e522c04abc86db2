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

    ticket: sql.TicketRow
    history: list[HistoryEvent]


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


async def ticket_with_history(database: Database, partner_id: int, code: str) -> TicketHistory:
    """The partner's ticket and its history. TicketUnknown."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(
            sql.ticket_with_history,
            partner_id=partner_id,
            ticket_code=possible_code(code),
            events=[each.event_name for each in OF_TICKET],
            made_by_its_batch=[each.event_name for each in OF_BATCH],
            generated=GENERATED,
            events_max=HISTORY_EVENTS_MAX,
        )
    if row is None:
        raise ticket_unknown(code)
    return TicketHistory(row, history_of(row.history))
