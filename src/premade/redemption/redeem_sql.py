"""Statements of `redeem.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from premade.audit.event import EventName
from premade.audit.events import TicketRedeemed
from premade.postgres.statements import statements_of
from premade.tickets.ticket import EntitlementMembers

statement = statements_of(__file__)


class ScanOutcome(StrEnum):
    """Outcome of a scan in a statement."""

    REDEEMED = "redeemed"
    REPLAYED = "replayed"
    """The same scan was redeemed before."""
    SCAN_REUSED = "scan_reused"
    """The scan_id belongs to another scan."""
    ARCHIVED = "archived"
    """The scan_id was used before, and its event is in the archive."""
    AGAIN = "again"
    """Another transaction holds the ticket or has just changed it. Try again alone, and wait."""
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(slots=True)
class ScanResult:
    position: int
    partner_id: int | None
    outcome: ScanOutcome
    status: str | None
    entitlements: list[EntitlementMembers] | None
    redeemed_at: datetime
    issue_number: int | None
    usable_until: date | None
    activated_at: datetime | None
    is_test: bool | None
    judged_day: date
    is_late: bool
    last_device_id: str | None
    last_scan_id: str | None
    last_used_at: datetime | None


@statement
def redeem(
    *,
    now: datetime,
    today: date,
    zone: str,
    lock_timeout_ms: str,
    scans: str,
    partner_ids: list[int] | None,
    operation: str,
    clock_skew: timedelta,
    event: EventName[TicketRedeemed],
) -> ScanResult: ...


@statement
def wait_for_ticket(*, ticket_code: str, partner_id: int | None) -> int: ...
