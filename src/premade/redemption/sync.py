"""Upload of offline scans: each scan is redeemed now or becomes a conflict, and has its own result.

A conflict about a ticket is stored in the audit record. Forged QRs, unknown tickets and invalid entries are only counted
(`counts.py`).
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import orjson

from premade.audit.event_fields import OtherScan
from premade.audit.events import RedemptionConflict
from premade.postgres.database import Database, Transaction
from premade.redemption import sync_sql as sql
from premade.redemption.counts import GateCountKind, count_at_gate
from premade.redemption.offline_scan import ConflictCode, InvalidEntry, OfflineScan, ScanConflict, ScanRef
from premade.redemption.partner import NO_PARTNER, partners_at_gate
from premade.redemption.redeem import REDEEMED, Redeemed, redeem_waiting, redeemed_or_refused
from premade.redemption.redeem_sql import ScanOutcome, ScanResult
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device, Entry, PresentedTicket, Scan, device_key, old_device_key
from premade.redemption.verdict import qr_invalid, refusal_of_time
from premade.runtime.batching import ClaimQueue
from premade.runtime.clock import Runtime, rfc3339
from premade.runtime.errors import DomainError, ResultArchived
from premade.runtime.logging import log
from premade.texts.translation import ENGLISH
from premade.texts.translation import gettext as _
from premade.tickets.code import fold_token
from premade.tickets.lookup import TicketUnknown
from premade.tickets.signing import Verifiers
from premade.values.digest import request_digest

OPERATION = "sync"
"""Operation of a conflict in the audit record. Its key is the device, the scan_id and the digest of the request."""
REDEMPTIONS_MAX = 500
CONFLICTS_OF_TICKET_MAX = 50
"""Conflicts of one ticket in the audit record, from which nothing is ever deleted; further ones are counted."""
ERRORS_NAMED_MAX = 10
VERIFICATIONS_A_TURN = 20
"""Signatures that are checked before the event loop runs other requests."""
UNKNOWN = "UNKNOWN"
ENTRY_INVALID = "ENTRY_INVALID"
_LOCK_SPACE = 1886547310
"""Advisory locks of uploads; another number than those of the logical clocks."""


UploadResult = Redeemed | ScanConflict
"""Result of an offline scan."""


@dataclass(frozen=True)
class _ReadScan:
    """An offline scan of an upload. `scan` is None if the QR is not genuine."""

    offline: OfflineScan
    scan: Scan | None

    @property
    def digest(self) -> bytes:
        """Return a digest that is equal for two uploads of the same scan."""
        return request_digest(self.offline.qr, self.offline.function_code, self.offline.uses)


@dataclass(frozen=True)
class _ConflictRow:
    """Columns of the audit event of a conflict."""

    partner_id: int | None
    actor: str
    request_id: str
    ticket_code: str | None
    idempotency_key: str
    request_digest: str
    data: orjson.Fragment


class Syncer:
    """Redeem the offline scans of a device."""

    def __init__(self, database: Database, runtime: Runtime, verifiers: Verifiers, rules: GateRules) -> None:
        self._database = database
        self._runtime = runtime
        self._verifiers = verifiers
        self._rules = rules

    async def sync(self, device: Device, entries: list[OfflineScan | InvalidEntry]) -> list[UploadResult]:
        """Redeem the scans; return one result for each entry, in their order. Idempotent.

        Raises:
            Busy: a lock was not free in time. Nothing is changed.
        """
        read = [await self._read(place, device, entry) for place, entry in enumerate(entries)]
        partners = await self._partners(device, read)
        async with self._database.transaction() as tx:
            lock = await tx.fetch_one(sql.lock_device, lock_space=_LOCK_SPACE, device=device.lock_name)
            assert lock is not None
            clocks = (self._runtime.now(), lock.database_now)
            scans = [self._with_time(entry, clocks) for entry in read if isinstance(entry, _ReadScan)]
            results_of_scans = iter(await self._redeem_or_record_all(tx, device, scans, partners))
            results = [next(results_of_scans) if isinstance(entry, _ReadScan) else entry for entry in read]
            counts = Counter(filter(None, map(_count_kind, results)))
            await count_at_gate(tx, self._runtime, device.caller, device.device_id, counts)
        _log(device, results, counts)
        return results

    async def _read(
        self, place: int, device: Device, entry: OfflineScan | InvalidEntry
    ) -> _ReadScan | ScanConflict:
        if place % VERIFICATIONS_A_TURN == 0:
            await asyncio.sleep(0)
        if isinstance(entry, InvalidEntry):
            return _unreadable(device, entry)
        offline = replace(entry, qr=fold_token(entry.qr))
        verified = await self._verifiers.read(offline.qr)
        if verified is None:
            return _ReadScan(offline, None)
        token = verified.token
        scan = Scan(
            caller=device.caller,
            request_id=device.request_id,
            presented=PresentedTicket(token.ticket_code, token.issue_number, verified.is_retired),
            function_code=offline.function_code,
            uses=offline.uses,
            device_id=device.device_id,
            scan_id=offline.scan_id,
            entry=Entry.OFFLINE,
            scanned_at=offline.scanned_at or self._runtime.now(),
        )
        return _ReadScan(offline, scan)

    def _with_time(self, entry: _ReadScan, clocks: tuple[datetime, datetime]) -> _ReadScan:
        """Return the scan with the refusal of its time, if there is one."""
        if entry.scan is None:
            return entry
        refusal = refusal_of_time(entry.offline.scanned_at, clocks, self._rules.scan_age_max)
        return replace(entry, scan=replace(entry.scan, time_refusal=refusal))

    async def _partners(
        self, device: Device, read: list[_ReadScan | ScanConflict]
    ) -> dict[str | None, int | None]:
        """Return, for each code, the partner whose tickets the statements may read. The code None stands for a QR that is not genuine."""
        codes = {entry.scan.ticket_code for entry in read if isinstance(entry, _ReadScan) and entry.scan}
        return {
            None: NO_PARTNER if self._database.by_partner else device.caller.partner_id,
            **await partners_at_gate(self._database, device.caller, codes),
        }

    async def _redeem_or_record_all(
        self,
        tx: Transaction,
        device: Device,
        scans: list[_ReadScan],
        partners: dict[str | None, int | None],
    ) -> list[UploadResult]:
        """Redeem or record the scans, one partner after the other. Those without a known partner are together."""
        places: dict[int | None, list[int]] = defaultdict(list)
        for place, entry in enumerate(scans):
            places[partners[entry.scan and entry.scan.ticket_code]].append(place)
        results: dict[int, UploadResult] = {}
        # In the order of the partners: two uploads then take their locks in the same order.
        for partner_id in sorted(places, key=lambda partner_id: partner_id or NO_PARTNER):
            of_partner = [scans[place] for place in places[partner_id]]
            results_of_partner = await self._redeem_or_record(tx, device, of_partner, partner_id)
            results.update(zip(places[partner_id], results_of_partner, strict=True))
        return [results[place] for place in range(len(scans))]

    async def _redeem_or_record(
        self, tx: Transaction, device: Device, scans: list[_ReadScan], partner_id: int | None
    ) -> list[UploadResult]:
        results = await _earlier_conflicts(tx, device, scans, partner_id)
        pending = [
            (place, replace(entry.scan, partner_of_ticket=partner_id))
            for place, entry in enumerate(scans)
            if place not in results and entry.scan is not None
        ]
        outcomes = await self._redeem_in_order(tx, pending, partner_id)
        room = await _room_in_record(tx, pending, outcomes)
        rows: dict[str, _ConflictRow] = {}
        for place, entry in enumerate(scans):
            if place in results:
                continue
            outcome = outcomes.get(place)
            try:
                results[place] = _redeemed(entry, outcome, self._runtime)
            except DomainError as refusal:
                event = _event(device, entry, outcome, refusal)
                row = _row(device, entry, outcome, event)
                is_repeated = row.idempotency_key in rows
                is_archived = event.code == ResultArchived.code
                is_recorded = is_repeated or (room[row.ticket_code] > 0 and not is_archived)
                results[place] = _conflict(
                    row.ticket_code, event, replayed=is_repeated, is_recorded=is_recorded
                )
                if is_recorded and not is_repeated:
                    rows[row.idempotency_key] = row
                    room[row.ticket_code] -= 1
        await tx.execute(
            sql.record_conflicts,
            conflicts=orjson.dumps(list(rows.values())).decode(),
            event=RedemptionConflict.event_name,
            operation=OPERATION,
            now=self._runtime.now(),
        )
        return [results[place] for place in range(len(scans))]

    async def _redeem_in_order(
        self, tx: Transaction, scans: list[tuple[int, Scan]], partner_id: int | None
    ) -> dict[int, ScanResult]:
        """Return the outcomes by place. Scans of one ticket, or with one scan_id, are in successive statements."""
        codes = sorted({scan.ticket_code for _, scan in scans})
        await tx.fetch_all(sql.lock_tickets, ticket_codes=codes, partner_id=partner_id)
        waiting, outcomes = ClaimQueue[tuple[int, Scan]](), dict[int, ScanResult]()
        for place, scan in scans:
            waiting.add((place, scan), scan.claims)
        while batch := waiting.take():
            outcomes_of_batch = await redeem_waiting(tx, self._runtime, [scan for _, scan in batch])
            outcomes.update(
                (place, outcome) for (place, _), outcome in zip(batch, outcomes_of_batch, strict=True)
            )
        return outcomes


async def _earlier_conflicts(
    tx: Transaction, device: Device, scans: list[_ReadScan], partner_id: int | None
) -> dict[int, UploadResult]:
    """Return the conflicts of an earlier upload of the same scans, by place."""
    rows = [
        {
            "position": place,
            "ticket_code": entry.scan and entry.scan.ticket_code,
            "idempotency_key": _key(device, entry),
            "old_key": _old_key(device, entry),
        }
        for place, entry in enumerate(scans)
    ]
    conflicts = await tx.fetch_all(
        sql.earlier_conflicts,
        partner_id=partner_id,
        scans=orjson.dumps(rows).decode(),
        operation=OPERATION,
    )
    return {
        row.position: _conflict(row.ticket_code, RedemptionConflict.of(row.data), replayed=True)
        for row in conflicts
    }


async def _room_in_record(
    tx: Transaction, scans: list[tuple[int, Scan]], outcomes: dict[int, ScanResult]
) -> Counter[str | None]:
    """Return how many more conflicts of each ticket the record takes, by code. The tickets are locked until the commit."""
    owners = {
        scan.ticket_code: partner_id
        for place, scan in scans
        if outcomes[place].outcome not in {ScanOutcome.UNKNOWN, ScanOutcome.REDEEMED, ScanOutcome.REPLAYED}
        and (partner_id := outcomes[place].partner_id) is not None
    }
    if not owners:
        return Counter()
    rows = await tx.fetch_all(
        sql.count_conflicts,
        ticket_codes=list(owners),
        partner_ids=list(owners.values()),
        event=RedemptionConflict.event_name,
        conflicts_max=CONFLICTS_OF_TICKET_MAX,
    )
    return Counter({row.ticket_code: CONFLICTS_OF_TICKET_MAX - row.conflicts for row in rows})


def _key(device: Device, entry: _ReadScan) -> str:
    """Return the key of a conflict in the audit record. No part contains a blank."""
    return f"{device_key(device.caller, device.device_id)} {entry.offline.scan_id} {entry.digest.hex()}"


def _old_key(device: Device, entry: _ReadScan) -> str:
    """Return the key of a conflict that was recorded before devices had owners."""
    return f"{old_device_key(device.caller, device.device_id)} {entry.offline.scan_id} {entry.digest.hex()}"


def _unreadable(device: Device, entry: InvalidEntry) -> ScanConflict:
    wrong = "; ".join(f"{error.pointer} {error.detail}" for error in entry.errors[:ERRORS_NAMED_MAX])
    return ScanConflict(
        ticket_code=None,
        code=ENTRY_INVALID,
        reason=_("This entry is not valid: %(fields)s.", fields=wrong),
        this=ScanRef(device.device_id, entry.scan_id, at=None),
        other=None,
        replayed=False,
        is_recorded=False,
    )


def _count_kind(result: UploadResult) -> GateCountKind | None:
    """Return the kind under which a result is counted, or None."""
    if isinstance(result, Redeemed):
        return GateCountKind.LATE if result.is_late and not result.replayed else None
    if result.is_recorded or result.code == ResultArchived.code:
        return None
    return GateCountKind(result.code if result.ticket_code is None else GateCountKind.REPEATED)


def _redeemed(entry: _ReadScan, outcome: ScanResult | None, runtime: Runtime) -> Redeemed:
    """Return the redemption, or raise its refusal."""
    if entry.scan is None or outcome is None:
        raise qr_invalid(is_key_retired=False)
    return redeemed_or_refused(entry.scan, outcome, runtime)


def _event(
    device: Device, entry: _ReadScan, outcome: ScanResult | None, refusal: DomainError
) -> RedemptionConflict:
    """Return the audit event of a conflict."""
    return RedemptionConflict(
        code=UNKNOWN if isinstance(refusal, TicketUnknown) else refusal.code,
        reason=refusal.detail_in(ENGLISH),
        device_id=device.device_id,
        scan_id=entry.offline.scan_id,
        scanned_at=entry.offline.scanned_at and rfc3339(entry.offline.scanned_at),
        function_code=entry.offline.function_code,
        uses=entry.offline.uses,
        other=_other(device, entry, outcome),
        uploaded_by=device.caller.uploaded_by,
    )


def _row(
    device: Device, entry: _ReadScan, outcome: ScanResult | None, event: RedemptionConflict
) -> _ConflictRow:
    """Return the row of a conflict. One without a ticket is not stored."""
    is_known = outcome is not None and outcome.outcome is not ScanOutcome.UNKNOWN
    return _ConflictRow(
        partner_id=outcome.partner_id if outcome else device.caller.partner_id,
        actor=device.caller.actor,
        request_id=device.request_id,
        ticket_code=entry.scan.ticket_code if entry.scan and is_known else None,
        idempotency_key=_key(device, entry),
        request_digest=entry.digest.hex(),
        data=orjson.Fragment(event.json()),
    )


def _other(device: Device, entry: _ReadScan, outcome: ScanResult | None) -> OtherScan | None:
    """Return the earlier scan that used the ticket, or None."""
    if outcome is None or outcome.outcome is ScanOutcome.UNKNOWN:
        return None
    if outcome.outcome in {ScanOutcome.SCAN_REUSED, ScanOutcome.ARCHIVED}:
        return OtherScan(device.device_id, entry.offline.scan_id, rfc3339(outcome.redeemed_at))
    if outcome.last_used_at is None:
        return None
    assert outcome.last_device_id is not None
    assert outcome.last_scan_id is not None
    return OtherScan(outcome.last_device_id, outcome.last_scan_id, rfc3339(outcome.last_used_at))


def _conflict(
    ticket_code: str | None, event: RedemptionConflict, *, replayed: bool, is_recorded: bool = True
) -> ScanConflict:
    other = event.other
    return ScanConflict(
        ticket_code=ticket_code,
        code=cast("ConflictCode", event.code),
        reason=event.reason,
        this=ScanRef(event.device_id, event.scan_id, event.scanned_at),
        other=other and ScanRef(other.device_id, other.scan_id, other.at),
        replayed=replayed,
        is_recorded=is_recorded,
    )


def _log(device: Device, results: list[UploadResult], counts: Counter[GateCountKind]) -> None:
    """Log one line for each redemption and each recorded conflict, and one line for all counted scans."""
    for result in results:
        if result.replayed:
            continue
        if isinstance(result, Redeemed):
            log.info(
                REDEEMED,
                ticket_code=result.ticket_code,
                function_code=result.function_code,
                device_id=device.device_id,
                entry=Entry.OFFLINE.value,
            )
        elif result.is_recorded:
            log.warning(
                "ota.tickets.redemption_conflict",
                ticket_code=result.ticket_code,
                code=result.code,
                device_id=device.device_id,
                scan_id=result.this.scan_id,
            )
    if counts:
        log.warning(
            "ota.tickets.counted_at_gate",
            device_id=device.device_id,
            **{kind.value.lower(): count for kind, count in counts.items()},
        )
