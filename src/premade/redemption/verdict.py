"""Refusals at the gate. Their texts are sentences that a guard can say aloud. Pure.

`redeem.sql` decides by the same conditions, together with the change. This module finds the reason of its refusal.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from premade.partners.keyring import GateCaller
from premade.runtime.clock import local_time, rfc3339
from premade.runtime.errors import Conflict, DomainError, NotFound, Unverifiable
from premade.tickets.lookup import TicketUnknown
from premade.tickets.ticket import EntitlementMembers, Status


@dataclass(frozen=True)
class Use:
    """When and where a ticket was used."""

    device_id: str
    scan_id: str
    at: datetime


@dataclass(frozen=True)
class LastUse:
    """The last use of a ticket, with the operator's time zone."""

    use: Use
    zone: ZoneInfo

    @property
    def device_id(self) -> str:
        """Return the device."""
        return self.use.device_id

    @property
    def local(self) -> datetime:
        """Return the time in the operator's time zone."""
        return local_time(self.use.at, self.zone)

    @property
    def members(self) -> dict[str, str]:
        """Return the members of a response."""
        use = self.use
        return {"used_at": rfc3339(use.at), "device_id": use.device_id, "scan_id": use.scan_id}


@dataclass(eq=False)
class QrInvalid(Unverifiable):
    """The service did not issue the QR code, its signature is wrong, or its signing key is retired."""

    code = "QR_INVALID"

    reason: Literal["foreign", "key_retired"]


@dataclass(eq=False)
class FunctionUnknown(NotFound):
    """The ticket does not include this function."""

    code = "FUNCTION_UNKNOWN"
    published = ("functions",)

    function_code: str
    functions: list[str]
    """Functions of the ticket."""


class NotActivated(Conflict):
    """The ticket is generated but not sold."""

    code = "NOT_ACTIVATED"


@dataclass(eq=False)
class UsedUp(Conflict):
    """The ticket has fewer uses left than requested."""

    code = "USED_UP"

    remaining: int
    last_use: LastUse | None
    function_code: str = ""
    uses: int = 0

    @property
    def reason(self) -> Literal["ticket", "ticket_used", "function", "function_used", "too_few"]:
        """Return what is used up: the ticket, or one of its functions."""
        if self.remaining:
            return "too_few"
        if self.function_code:
            return "function_used" if self.last_use else "function"
        return "ticket_used" if self.last_use else "ticket"

    @property
    def members(self) -> dict[str, Any]:
        """Return what is left, and the last use."""
        return {"remaining": self.remaining, **(self.last_use.members if self.last_use else {})}


class Cancelled(Conflict):
    """The ticket was cancelled and will never be valid again."""

    code = "CANCELLED"


@dataclass(eq=False)
class Expired(Conflict):
    """The ticket's last day of use has ended in the operator's time zone."""

    code = "EXPIRED"

    usable_until: date | None = None
    """None if it expired unsold."""

    @property
    def reason(self) -> Literal["unsold", "over"]:
        """Return whether it expired unsold."""
        return "unsold" if self.usable_until is None else "over"

    @property
    def members(self) -> dict[str, Any]:
        """Return the last day of use, if the ticket had one."""
        return {} if self.usable_until is None else {"usable_until": self.usable_until.isoformat()}


@dataclass(eq=False)
class QrRevoked(Conflict):
    """A reissue has replaced this QR code."""

    code = "QR_REVOKED"

    last_use: LastUse | None

    @property
    def reason(self) -> Literal["unused", "used"]:
        """Return whether the ticket has been used."""
        return "used" if self.last_use else "unused"

    @property
    def members(self) -> dict[str, Any]:
        """Return the last use."""
        return self.last_use.members if self.last_use else {}


class TestTicket(Conflict):
    """The ticket belongs to a test partner, and this gate is live."""

    code = "TEST_TICKET"


class LiveTicket(Conflict):
    """The gate is in test mode, and the ticket is live."""

    code = "LIVE_TICKET"


class BeforeActivation(Conflict):
    """The time of the scan is before the activation of the ticket."""

    code = "SCANNED_BEFORE_ACTIVATION"


@dataclass(eq=False)
class ClockWrong(Conflict):
    """The time of the scan is in the future, or is not a time."""

    code = "CLOCK_WRONG"

    reason: Literal["no_time", "future"]


@dataclass(eq=False)
class ScanTooOld(Conflict):
    """The scan is older than the operator's limit (PREMADE_OFFLINE_SCAN_DAYS)."""

    code = "SCAN_TOO_OLD"

    days_max: int


REFUSALS = (NotActivated, UsedUp, Cancelled, Expired, QrRevoked, TestTicket, LiveTicket)
CLOCK_SKEW_MAX = timedelta(minutes=2)
"""How far a device's clock may be wrong."""


@dataclass(frozen=True)
class TicketAtScan:
    """A presented ticket. `last_use`: of the requested function, or else of any."""

    ticket_code: str
    status: str
    issue_number: int
    activated_at: datetime | None
    usable_until: date | None
    entitlements: list[EntitlementMembers]
    last_use: Use | None


@dataclass(frozen=True)
class ScanRequest:
    """A request for some uses of one function on a day. `scanned_at` is set for offline scans only."""

    day: date
    function_code: str
    uses: int
    scanned_at: datetime | None = None


def refusal_of_mode(caller: GateCaller, *, is_test_ticket: bool) -> DomainError | None:
    """Return why the gate refuses this kind of ticket, live or test, or None."""
    if is_test_ticket and not caller.is_test:
        return TestTicket()
    if caller.is_test and not is_test_ticket:
        return LiveTicket()
    return None


def refusal_of_time(
    scanned_at: datetime | None, clocks: tuple[datetime, datetime], age_max: timedelta
) -> DomainError | None:
    """Return why the time of an offline scan is refused, or None.

    `scanned_at`: None for a text that is no time. `clocks`: the service's and the database's. A scan is refused when both
    say so.
    """
    if scanned_at is None:
        return ClockWrong("no_time")
    if scanned_at - max(clocks) > CLOCK_SKEW_MAX:
        return ClockWrong("future")
    if min(clocks) - scanned_at > age_max:
        return ScanTooOld(age_max.days)
    return None


@dataclass(frozen=True)
class Judge:
    """Judge tickets in the operator's time zone, in which days end."""

    zone: ZoneInfo

    def day_of(self, moment: datetime) -> date:
        """Return the day in the operator's time zone."""
        return local_time(moment, self.zone).date()

    def refusal(
        self, ticket: TicketAtScan, issue_number: int | None, day: date, scanned_at: datetime | None = None
    ) -> DomainError | None:
        """Return why the ticket is not admitted on that day, or None. `issue_number`: of the QR; None for a manual entry."""
        is_replaced = issue_number is not None and issue_number != ticket.issue_number
        is_over = ticket.usable_until is not None and ticket.usable_until < day
        if ticket.status == Status.CANCELLED:
            refusal: DomainError | None = Cancelled()
        elif is_replaced:
            refusal = QrRevoked(self._last_use(ticket))
        elif ticket.status == Status.EXPIRED:
            refusal = Expired()
        elif ticket.status == Status.PRE_GENERATED:
            refusal = NotActivated()
        elif scanned_at is not None and _is_before_activation(ticket, scanned_at):
            refusal = BeforeActivation()
        elif is_over and ticket.usable_until is not None:
            refusal = Expired(ticket.usable_until)
        elif ticket.status == Status.USED:
            refusal = UsedUp(0, self._last_use(ticket))
        else:
            refusal = None
        return refusal

    def refusal_of_use(
        self, ticket: TicketAtScan, issue_number: int | None, request: ScanRequest
    ) -> DomainError | None:
        """Return why the requested uses of one function are refused, or None."""
        function_code, uses = request.function_code, request.uses
        remaining = {
            entitlement["function_code"]: entitlement["remaining_uses"] for entitlement in ticket.entitlements
        }
        if function_code not in remaining:
            return FunctionUnknown(function_code, list(remaining))
        refusal = self.refusal(ticket, issue_number, request.day, request.scanned_at)
        if (refusal is None or isinstance(refusal, UsedUp)) and remaining[function_code] < uses:
            return UsedUp(remaining[function_code], self._last_use(ticket), function_code, uses)
        return refusal

    def _last_use(self, ticket: TicketAtScan) -> LastUse | None:
        return None if ticket.last_use is None else LastUse(ticket.last_use, self.zone)


def _is_before_activation(ticket: TicketAtScan, scanned_at: datetime) -> bool:
    return ticket.activated_at is not None and scanned_at < ticket.activated_at - CLOCK_SKEW_MAX


def qr_invalid(*, is_key_retired: bool) -> QrInvalid:
    """Return the refusal of a QR that this service did not sign, or whose signing key is retired."""
    return QrInvalid("key_retired" if is_key_retired else "foreign")


def not_known_here() -> TicketUnknown:
    """Return the refusal of an unknown ticket, with the same text for a ticket of another partner."""
    return TicketUnknown("at_gate")
