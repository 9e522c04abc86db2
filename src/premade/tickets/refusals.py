"""Errors of operations that the state of a ticket does not allow."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from premade.runtime.errors import Conflict


@dataclass(eq=False)
class TicketExpired(Conflict):
    """The ticket's last day of sale has ended in the operator's time zone."""

    code = "TICKET_EXPIRED"
    published = ("valid_until",)

    reason: Literal["ticket", "batch"]
    subject: str
    """The code of the ticket, or the id of the batch."""
    valid_until: date | None


@dataclass(eq=False)
class TicketCancelled(Conflict):
    """The ticket was cancelled and will never be valid again."""

    code = "TICKET_CANCELLED"

    ticket_code: str


@dataclass(eq=False)
class TicketUsed(Conflict):
    """The ticket was used at the gate."""

    code = "TICKET_USED"
    published = ("first_used_at",)

    ticket_code: str
    first_used_at: datetime | None

    @property
    def reason(self) -> Literal["at", "before"]:
        """Return whether the time of the first use is known."""
        return "before" if self.first_used_at is None else "at"
