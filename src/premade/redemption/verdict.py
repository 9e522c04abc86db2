"""Whether a ticket is let in, and if not, why: each reason a sentence that a guard can say aloud. Pure.

`redeem.sql` decides by the same conditions, at once with the change; here is what is said of one that it refused.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from premade.partners.keyring import GateCaller
from premade.runtime.clock import local_time, rfc3339
from premade.runtime.errors import Conflict, DomainError, NotFound, Unverifiable
from premade.tickets.lookup import TicketUnknown
from premade.tickets.ticket import Status


class QrInvalid(Unverifiable):
    """The service did not issue the QR code, its signature is wrong, or its signing key is retired."""

    code = "QR_INVALID"


class FunctionUnknown(NotFound):
    """The ticket does not include this function."""

    code = "FUNCTION_UNKNOWN"


class NotActivated(Conflict):
    """The ticket is generated but not sold."""

    code = "NOT_ACTIVATED"


class UsedUp(Conflict):
    """The ticket has fewer uses left than requested."""

    code = "USED_UP"


class Cancelled(Conflict):
    """The ticket was cancelled and will never be valid again."""

    code = "CANCELLED"


class Expired(Conflict):
    """The ticket's last day of use has ended in the operator's time zone."""

    code = "EXPIRED"


class QrRevoked(Conflict):
    """A reissue has replaced this QR code."""

    code = "QR_REVOKED"


class TestTicket(Conflict):
    """The ticket belongs to a test partner, and this gate is live."""

    code = "TEST_TICKET"


class LiveTicket(Conflict):
    """The gate is in test mode, and the ticket is live."""

    code = "LIVE_TICKET"


class BeforeActivation(Conflict):
    """The time of the scan is before the activation of the ticket."""

    code = "SCANNED_BEFORE_ACTIVATION"


class ClockWrong(Conflict):
    """The time of the scan is in the future, or is not a time."""

    code = "CLOCK_WRONG"


class ScanTooOld(Conflict):
    """The scan is older than the operator's limit (PREMADE_OFFLINE_SCAN_DAYS)."""

    code = "SCAN_TOO_OLD"


REFUSALS = (NotActivated, UsedUp, Cancelled, Expired, QrRevoked, TestTicket, LiveTicket)
CLOCK_SKEW_MAX = timedelta(minutes=2)
"""How far a device's clock may be wrong."""


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
    activated_at: datetime | None
    usable_until: date | None
    entitlements: list[dict[str, Any]]
    last_use: Use | None


@dataclass(frozen=True)
class Asked:
    """A request for some uses of one function on a day. `scanned_at` is set for offline scans only."""

    day: date
    function_code: str
    uses: int
    scanned_at: datetime | None = None


def refusal_of_mode(caller: GateCaller, *, is_test_ticket: bool) -> DomainError | None:
    """Return why the gate refuses this kind of ticket, live or test, or None."""
    if is_test_ticket and not caller.is_test:
        return TestTicket("This is a test ticket. It opens no gate.")
    if caller.is_test and not is_test_ticket:
        return LiveTicket(
            "This is not a test ticket. This gate is in test mode and admits test tickets only."
        )
    return None


def refusal_of_time(
    scanned_at: datetime | None, clocks: tuple[datetime, datetime], age_max: timedelta
) -> DomainError | None:
    """Return why the time of an offline scan is refused, or None.

    `scanned_at`: None for a text that is no time. `clocks`: the service's and the database's. A scan is refused when both
    say so.
    """
    if scanned_at is None:
        return ClockWrong("The time of this scan is not a time. The device's clock is wrong.")
    if scanned_at - max(clocks) > CLOCK_SKEW_MAX:
        return ClockWrong("The time of this scan is in the future. The device's clock is wrong.")
    if min(clocks) - scanned_at > age_max:
        return ScanTooOld(f"This scan is older than {age_max.days} days, or the device's clock is wrong.")
    return None


@dataclass(frozen=True)
class Judge:
    """The operator's time zone, in which days end and times are said."""

    zone: ZoneInfo

    def day_of(self, moment: datetime) -> date:
        """The day of the scan in the operator's time zone."""
        return local_time(moment, self.zone).date()

    def refusal(
        self, ticket: Shown, issue_number: int | None, day: date, scanned_at: datetime | None = None
    ) -> DomainError | None:
        """Why the ticket opens no gate on that day; None when it does. `issue_number` is that of the QR, if one was
        shown.
        """
        is_replaced = issue_number is not None and issue_number != ticket.issue_number
        is_over = ticket.usable_until is not None and ticket.usable_until < day
        if ticket.status == Status.CANCELLED:
            refusal: DomainError | None = Cancelled("This ticket is cancelled and not valid.")
        elif is_replaced:
            message = f"A newer QR code has replaced this one.{self._last_use(ticket)}"
            refusal = QrRevoked(message, **_members(ticket.last_use))
        elif ticket.status == Status.EXPIRED:
            refusal = Expired("This ticket expired unsold and is not valid.")
        elif ticket.status == Status.PRE_GENERATED:
            refusal = NotActivated("This ticket is not sold yet and not valid.")
        elif scanned_at is not None and _is_before_activation(ticket, scanned_at):
            message = "This ticket was sold after the time of this scan."
            refusal = BeforeActivation(message)
        elif is_over and ticket.usable_until is not None:
            message = (
                f"The last day of this ticket was {ticket.usable_until:%d %B %Y}. It is no longer valid."
            )
            refusal = Expired(message, usable_until=ticket.usable_until.isoformat())
        elif ticket.status == Status.USED:
            message = f"This ticket has no uses left.{self._last_use(ticket)}"
            refusal = UsedUp(message, remaining=0, **_members(ticket.last_use))
        else:
            refusal = None
        return refusal

    def refusal_of_use(self, ticket: Shown, issue_number: int | None, asked: Asked) -> DomainError | None:
        """The same for so many uses of one function."""
        function_code, uses = asked.function_code, asked.uses
        remaining = {each["function_code"]: each["remaining_uses"] for each in ticket.entitlements}
        if function_code not in remaining:
            known = ", ".join(remaining)
            message = f"This ticket is not for {function_code}. It is for: {known}."
            return FunctionUnknown(message, functions=list(remaining))
        refusal = self.refusal(ticket, issue_number, asked.day, asked.scanned_at)
        if (refusal is None or isinstance(refusal, UsedUp)) and remaining[function_code] < uses:
            left = remaining[function_code]
            message = (
                f"This ticket has only {left} of {function_code} left, not {uses}."
                if left
                else f"This ticket has no uses of {function_code} left.{self._last_use(ticket)}"
            )
            return UsedUp(message, remaining=left, **_members(ticket.last_use))
        return refusal

    def _last_use(self, ticket: Shown) -> str:
        if ticket.last_use is None:
            return ""
        local = local_time(ticket.last_use.at, self.zone)
        return f" It was last used at {local:%H:%M} on {local:%d %B %Y} at {ticket.last_use.device_id}."


def _is_before_activation(ticket: Shown, scanned_at: datetime) -> bool:
    return ticket.activated_at is not None and scanned_at < ticket.activated_at - CLOCK_SKEW_MAX


def _members(use: Use | None) -> dict[str, str]:
    if use is None:
        return {}
    return {"used_at": rfc3339(use.at), "device_id": use.device_id, "scan_id": use.scan_id}


def qr_invalid(*, is_key_retired: bool) -> QrInvalid:
    """What is said of a QR code that nobody of this service has signed, or with a key that counts no more."""
    if is_key_retired:
        return QrInvalid("The signing key of this QR code is retired. The code is not valid.")
    return QrInvalid("This QR code is not from this service.")


def not_known_here() -> TicketUnknown:
    """Worded the same whether there is none, it is another partner's, or the digits typed in are wrong."""
    return TicketUnknown("This ticket does not exist.")
