"""What the state of a ticket can forbid, to whoever wants to sell it, take it back or change its QR."""

from datetime import date, datetime

from premade.runtime.clock import rfc3339
from premade.runtime.errors import Conflict


class TicketExpired(Conflict):
    """The ticket's last day of sale has ended in the operator's time zone."""

    code = "TICKET_EXPIRED"


class TicketCancelled(Conflict):
    """The ticket was cancelled and will never be valid again."""

    code = "TICKET_CANCELLED"


class TicketUsed(Conflict):
    """The ticket was used at the gate."""

    code = "TICKET_USED"


def expired(code: str, valid_until: date | None) -> TicketExpired:
    """Names the last day of sale."""
    message = f"The last day of sale of ticket {code} was {valid_until}."
    return TicketExpired(message, valid_until=valid_until)


def cancelled(code: str) -> TicketCancelled:
    """Names the ticket."""
    return TicketCancelled(f"Ticket {code} was cancelled. Sell another one.")


def used(code: str, first_used_at: datetime | None) -> TicketUsed:
    """Says when it was used first."""
    when = None if first_used_at is None else rfc3339(first_used_at)
    message = f"Ticket {code} has been used" + (f", first at {when}." if when else ".")
    return TicketUsed(message, first_used_at=when)
