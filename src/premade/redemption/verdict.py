"""Whether a ticket is let in, and if not, why: each reason a sentence that a guard can say aloud. Pure.

`redeem.sql` decides by the same conditions, at once with the change; here is what is said of one that it refused.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from premade.base.errors import Conflict, DomainError, NotFound, Unverifiable
from premade.base.world import rfc3339
from premade.tickets.lookup import TicketUnknown
from premade.tickets.ticket import Status


class QrInvalid(Unverifiable):
    """The QR code is none of this service's, or its signature does not hold, or its signing key is retired. Nothing was used up."""

    code = "QR_INVALID"
    title = "The QR code is not genuine"
    remedy = (
        "Scan again. If it is refused again, do not let the bearer in on this code; ask for the ticket code."
    )


class FunctionUnknown(NotFound):
    """The ticket does not entitle to this function; 'functions' lists those it does. Nothing was used up."""

    code = "FUNCTION_UNKNOWN"
    title = "The ticket is not for this"
    remedy = "Send the bearer to a gate of one of 'functions', or check the device's function_code."


class NotActivated(Conflict):
    """The ticket was made, but it was not sold yet. Nothing was used up."""

    code = "NOT_ACTIVATED"
    title = "The ticket is not activated"
    remedy = "The bearer asks the seller, who activates it; then scan again."


class UsedUp(Conflict):
    """Fewer uses are left than were asked for: 'remaining' says how many, 'used_at', 'device_id' and 'scan_id' the last use. Nothing was used up."""

    code = "USED_UP"
    title = "The ticket is used up"
    remedy = "If 'scan_id' is of the same person a moment ago, they are in already. Otherwise the ticket was used by somebody."


class Cancelled(Conflict):
    """The ticket was taken back and will never be valid. Nothing was used up."""

    code = "CANCELLED"
    title = "The ticket is cancelled"
    remedy = "The bearer asks the seller."


class Expired(Conflict):
    """The ticket's last day is over, in the operator's time zone. Nothing was used up."""

    code = "EXPIRED"
    title = "The ticket has expired"
    remedy = "The bearer asks the seller."


class QrRevoked(Conflict):
    """The QR code is of an issue that another has replaced; 'used_at', 'device_id' and 'scan_id' say when the ticket was last used, if it was. Nothing was used up."""

    code = "QR_REVOKED"
    title = "The QR code was replaced"
    remedy = "Ask the bearer for the newer QR code."


REFUSALS = (NotActivated, UsedUp, Cancelled, Expired, QrRevoked)


@dataclass(frozen=True)
class Use:
    """When and where a ticket was used."""

    device_id: str
    scan_id: str
    at: datetime


@dataclass(frozen=True)
class Shown:
    """A ticket as the gate found it. `last_use` is of the function that is asked for, or else of any."""

    ticket_code: str
    status: str
    issue_number: int
    usable_until: date | None
    entitlements: list[dict[str, Any]]
    last_use: Use | None


@dataclass(frozen=True)
class Judge:
    """The operator's time zone, in which days end and times are said."""

    zone: ZoneInfo

    def day_of(self, moment: datetime) -> date:
        """The day that it was for the operator. Of a device whose clock was never set, the first that there is."""
        try:
            return moment.astimezone(self.zone).date()
        except OverflowError:
            return date.min

    def refusal(self, ticket: Shown, issue_number: int | None, day: date) -> DomainError | None:
        """Why the ticket opens no gate on that day; None when it does. `issue_number` is that of the QR, if one was
        shown.
        """
        is_replaced = issue_number is not None and issue_number != ticket.issue_number
        is_over = ticket.usable_until is not None and ticket.usable_until < day
        if ticket.status == Status.CANCELLED:
            refusal: DomainError | None = Cancelled("This ticket was cancelled; it is not valid.")
        elif is_replaced:
            message = f"This QR code was replaced by a newer one.{self._last_use(ticket)}"
            refusal = QrRevoked(message, **_members(ticket.last_use))
        elif ticket.status == Status.EXPIRED:
            refusal = Expired("This ticket expired before it was sold; it is not valid.")
        elif ticket.status == Status.PRE_GENERATED:
            refusal = NotActivated("This ticket was not sold yet; it is not valid.")
        elif is_over and ticket.usable_until is not None:
            message = (
                f"The last day of this ticket was {ticket.usable_until:%d %B %Y}; it is no longer valid."
            )
            refusal = Expired(message, usable_until=ticket.usable_until.isoformat())
        elif ticket.status == Status.USED:
            message = f"This ticket is used up.{self._last_use(ticket)}"
            refusal = UsedUp(message, remaining=0, **_members(ticket.last_use))
        else:
            refusal = None
        return refusal

    def refusal_of_use(
        self, ticket: Shown, issue_number: int | None, day: date, function_code: str, uses: int
    ) -> DomainError | None:
        """The same for so many uses of one function."""
        remaining = {each["function_code"]: each["remaining_uses"] for each in ticket.entitlements}
        if function_code not in remaining:
            known = ", ".join(remaining)
            message = f"This ticket is not for {function_code}; it is for: {known}."
            return FunctionUnknown(message, functions=list(remaining))
        refusal = self.refusal(ticket, issue_number, day)
        if (refusal is None or isinstance(refusal, UsedUp)) and remaining[function_code] < uses:
            left = remaining[function_code]
            message = (
                f"Only {left} of {function_code} left on this ticket, not {uses}."
                if left
                else f"On this ticket {function_code} is used up.{self._last_use(ticket)}"
            )
            return UsedUp(message, remaining=left, **_members(ticket.last_use))
        return refusal

    def _last_use(self, ticket: Shown) -> str:
        if ticket.last_use is None:
            return ""
        local = ticket.last_use.at.astimezone(self.zone)
        return f" It was last used at {local:%H:%M} on {local:%d %B %Y} at {ticket.last_use.device_id}."


def _members(use: Use | None) -> dict[str, str]:
    if use is None:
        return {}
    return {"used_at": rfc3339(use.at), "device_id": use.device_id, "scan_id": use.scan_id}


def qr_invalid(*, is_key_retired: bool) -> QrInvalid:
    """What is said of a QR code that nobody of this service has signed, or with a key that counts no more."""
    if is_key_retired:
        return QrInvalid("The key that signed this QR code is retired; the code is not valid.")
    return QrInvalid("This QR code is not one of ours.")


def not_known_here() -> TicketUnknown:
    """Worded the same whether there is none, it is another partner's, or the digits typed in are wrong."""
    return TicketUnknown("There is no such ticket.")
