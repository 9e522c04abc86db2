"""Redeem entitlements at the gate: each scan once, many scans with one statement."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, cast

import orjson

from premade.audit.events import TicketRedeemed
from premade.postgres.database import Database, Transaction
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.redemption import redeem_sql as sql
from premade.redemption.inspect_sql import TicketAtGate
from premade.redemption.partner import partners_at_gate
from premade.redemption.scan import Scan
from premade.redemption.verdict import (
    CLOCK_SKEW_MAX,
    Judge,
    ScanRequest,
    TicketAtScan,
    Use,
    not_known_here,
    qr_invalid,
    refusal_of_mode,
)
from premade.runtime.batching import MicroBatcher
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, Mismatch, ResultArchived
from premade.runtime.logging import log
from premade.texts.translation import gettext as _
from premade.tickets.ticket import EntitlementMembers

OPERATION = "redeem"
"""Operation of a redemption in the audit record. Its key is the device and the scan_id."""
REDEEMED = "ota.tickets.redeemed"
TRIES_ALONE_MAX = 3
MICRO_BATCH_LOCK_TIMEOUT_MS = 100


@dataclass(eq=False)
class ScanIdReused(Mismatch):
    """An earlier, different request of this device has used this scan_id."""

    code = "SCAN_ID_REUSED"

    device_id: str
    scan_id: str


@dataclass(frozen=True)
class Redeemed:
    """A redemption. `replayed`: an earlier request with the same scan_id redeemed the entitlement."""

    ticket_code: str
    status: Literal["ACTIVE", "USED"]
    function_code: str
    used: int
    remaining: int
    entitlements: list[EntitlementMembers]
    redeemed_at: datetime
    replayed: bool
    is_late: bool = False
    """Whether an offline device uploaded it after the ticket's last day of use."""

    @property
    def message(self) -> str:
        """Return the sentence for the guard."""
        # The script of the gate page has the same sentence.
        return _(
            "Welcome: %(uses)s of %(function)s, %(remaining)s left.",
            uses=self.used,
            function=self.function_code,
            remaining=self.remaining or _("none"),
        )


class Redeemer:
    """Redeem scans, many with one statement."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._batch_database = database.for_batches
        self._blocking_database = database.for_blocking_writes()
        self._runtime = runtime
        self._database = database
        self._queue = MicroBatcher(
            "redemption",
            self._redeem_together,
            lambda scan: scan.partner_id,
            mixes_partners=not database.by_partner,
        )

    async def redeem(self, scan: Scan) -> Redeemed:
        """Redeem an entitlement, or return the redemption of an earlier request with the same scan_id.

        Raises:
            TicketUnknown: the gate knows no such ticket.
            FunctionUnknown: the ticket does not include the function.
            ScanIdReused: a different request used the scan_id.
            ResultArchived: the scan_id was used, and its event is in the archive.
            QrInvalid: the signing key of the QR is retired.
            One of verdict.REFUSALS: the ticket is not admitted.
            QueueFull: too many redemptions are waiting.
            Busy: a lock was not free in time.
            Nothing is redeemed then.
        """
        if self._database.by_partner:
            partners = await partners_at_gate(self._database, scan.caller, [scan.ticket_code])
            scan = replace(scan, partner_of_ticket=partners[scan.ticket_code])
        outcome = await self._queue.outcome(scan)
        if outcome is None or outcome.outcome is sql.ScanOutcome.AGAIN:
            outcome = await self._redeem_alone(scan)
        redeemed = redeemed_or_refused(scan, outcome, self._runtime)
        if not redeemed.replayed:
            log_redeemed(scan)
        return redeemed

    async def _redeem_together(self, scans: list[Scan]) -> list[sql.ScanResult]:
        """Execute one statement for many scans. It waits only briefly for a scan_id that another transaction inserts."""
        async with self._batch_database.single_statement() as tx:
            return await redeem_all(tx, self._runtime, scans, MICRO_BATCH_LOCK_TIMEOUT_MS)

    async def _redeem_alone(self, scan: Scan) -> sql.ScanResult:
        """Execute one scan. It waits for the locks of the ticket and the scan_id, so that it sees the other's result."""
        async with self._blocking_database.transaction() as tx:
            await tx.fetch_all(sql.wait_for_ticket, ticket_code=scan.ticket_code, partner_id=scan.partner_id)
            [outcome] = await redeem_waiting(tx, self._runtime, [scan])
        return outcome


def log_redeemed(scan: Scan) -> None:
    """Log a redemption."""
    log.info(
        REDEEMED,
        ticket_code=scan.ticket_code,
        function_code=scan.function_code,
        device_id=scan.device_id,
        entry=scan.entry.value,
    )


async def redeem_all(
    tx: Transaction, runtime: Runtime, scans: list[Scan], lock_timeout_ms: int
) -> list[sql.ScanResult]:
    """Execute the statement; return one outcome for each scan, in their order. No two scans may share a claim."""
    partner_ids = {scan.partner_id for scan in scans if scan.partner_id is not None}
    are_known = all(scan.partner_id is not None for scan in scans)
    return await tx.fetch_all(
        sql.redeem,
        scans=orjson.dumps([_row(position, scan, runtime) for position, scan in enumerate(scans)]).decode(),
        partner_ids=[*partner_ids] if are_known else None,
        lock_timeout_ms=str(lock_timeout_ms),
        operation=OPERATION,
        event=TicketRedeemed.event_name,
        now=runtime.now(),
        today=runtime.today(),
        clock_skew=CLOCK_SKEW_MAX,
        zone=str(runtime.zone),
    )


async def redeem_waiting(tx: Transaction, runtime: Runtime, scans: list[Scan]) -> list[sql.ScanResult]:
    """Do what `redeem_all` does, in a transaction that has locked the tickets, and repeat it for outcomes AGAIN.

    Raises:
        Busy: another transaction still has a scan_id after TRIES_ALONE_MAX statements.
    """
    outcomes = dict[int, sql.ScanResult]()
    pending = list(range(len(scans)))
    for _try in range(TRIES_ALONE_MAX):
        results = await redeem_all(tx, runtime, [scans[place] for place in pending], LOCK_TIMEOUT_MS)
        outcomes.update(zip(pending, results, strict=True))
        pending = [place for place in pending if outcomes[place].outcome is sql.ScanOutcome.AGAIN]
        if not pending:
            return [outcomes[place] for place in range(len(scans))]
    raise Busy("ticket_locked")


def _row(position: int, scan: Scan, runtime: Runtime) -> dict[str, Any]:
    return {
        "position": position,
        "caller_partner_id": scan.partner_id,
        "actor": scan.caller.actor,
        "request_id": scan.request_id,
        "ticket_code": scan.ticket_code,
        "issue_number": scan.presented.issue_number,
        "caller_is_test": scan.caller.is_test,
        "uploaded_by": scan.caller.uploaded_by,
        "is_grantable": scan.is_grantable,
        "function_code": scan.function_code,
        "uses": scan.uses,
        "device_id": scan.device_id,
        "scan_id": scan.scan_id,
        "idempotency_key": scan.key,
        "old_key": scan.old_key,
        "entry": scan.entry.value,
        "request_digest": scan.digest.hex(),
        "used_at": scan.scanned_at,
        "day": _day(scan, runtime),
    }


def _day(scan: Scan, runtime: Runtime) -> date | None:
    """Return the day of an offline scan. None for a scan that happens now: the statement takes today's."""
    return Judge(runtime.zone).day_of(scan.scanned_at) if scan.scanned_at else None


def redeemed_or_refused(scan: Scan, outcome: sql.ScanResult, runtime: Runtime) -> Redeemed:
    """Return the redemption of an outcome, or raise its refusal."""
    kind = outcome.outcome
    if kind in (sql.ScanOutcome.REDEEMED, sql.ScanOutcome.REPLAYED):
        assert outcome.status is not None
        assert outcome.entitlements is not None
        [remaining] = [
            entitlement["remaining_uses"]
            for entitlement in outcome.entitlements
            if entitlement["function_code"] == scan.function_code
        ]
        return Redeemed(
            ticket_code=scan.ticket_code,
            status=cast("Literal['ACTIVE', 'USED']", outcome.status),
            function_code=scan.function_code,
            used=scan.uses,
            remaining=remaining,
            entitlements=outcome.entitlements,
            redeemed_at=outcome.redeemed_at,
            replayed=kind is sql.ScanOutcome.REPLAYED,
            is_late=outcome.is_late,
        )
    if kind is sql.ScanOutcome.SCAN_REUSED:
        raise ScanIdReused(scan.device_id, scan.scan_id)
    if kind is sql.ScanOutcome.ARCHIVED:
        raise ResultArchived("scan", outcome.redeemed_at)
    if kind is sql.ScanOutcome.UNKNOWN:
        raise not_known_here()
    if refusal := refusal_of_mode(scan.caller, is_test_ticket=bool(outcome.is_test)):
        raise refusal
    if scan.presented.is_key_retired:
        raise qr_invalid(is_key_retired=True)
    if scan.time_refusal is not None:
        raise scan.time_refusal
    refusal = Judge(runtime.zone).refusal_of_use(
        ticket_of_row(scan.ticket_code, outcome),
        scan.presented.issue_number,
        ScanRequest(outcome.judged_day, scan.function_code, scan.uses, scan.scanned_at),
    )
    assert refusal is not None, "the statement and the verdict judge alike"
    raise refusal


def ticket_of_row(ticket_code: str, row: sql.ScanResult | TicketAtGate) -> TicketAtScan:
    """Return the ticket in the row of a statement."""
    assert row.status is not None
    assert row.issue_number is not None
    assert row.entitlements is not None
    return TicketAtScan(
        ticket_code=ticket_code,
        status=row.status,
        issue_number=row.issue_number,
        usable_until=row.usable_until,
        activated_at=row.activated_at,
        entitlements=row.entitlements,
        last_use=_last_use(row),
    )


def _last_use(row: sql.ScanResult | TicketAtGate) -> Use | None:
    if row.last_used_at is None:
        return None
    assert row.last_device_id is not None
    assert row.last_scan_id is not None
    return Use(row.last_device_id, row.last_scan_id, row.last_used_at)
