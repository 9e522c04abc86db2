"""Upload of offline scans: each scan is redeemed now or becomes a conflict, and has its own answer.

A conflict about a ticket is kept in the audit record. Forged QR codes, unknown tickets and entries that cannot be read
are only counted (`counts.py`).
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import orjson

from premade.audit.event_fields import OtherScan
from premade.audit.events import RedemptionConflict
from premade.postgres.database import Database, Transaction
from premade.redemption import sync_sql as sql
from premade.redemption.counts import Counted, count_at_gate
from premade.redemption.offline_scan import ConflictCode, InConflict, Offline, ScanRef, Unreadable
from premade.redemption.redeem import REDEEMED, Redeemed, redeem_waiting, redeemed_or_refused
from premade.redemption.redeem_sql import ScanOutcome, ScanResult
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device, Entry, Presented, Scan, device_of, old_device_of
from premade.redemption.verdict import qr_invalid, refusal_of_time
from premade.runtime.batching import ClaimQueue
from premade.runtime.clock import Runtime, rfc3339
from premade.runtime.errors import DomainError
from premade.runtime.logging import log
from premade.tickets.code import fold_token
from premade.tickets.lookup import TicketUnknown
from premade.tickets.signing import Verifiers
from premade.values.digest import request_digest

OPERATION = "sync"
"""What a conflict is remembered under, beside the partner: the device, the scan and the digest of what was asked."""
REDEMPTIONS_MAX = 500
CONFLICTS_OF_TICKET_MAX = 50
"""Conflicts of one ticket in the audit record, from which nothing is ever deleted; further ones are counted."""
ERRORS_NAMED_MAX = 10
VERIFIED_IN_ONE_GO = 20
"""Signatures that are checked before other requests get their turn."""
UNKNOWN = "UNKNOWN"
ENTRY_INVALID = "ENTRY_INVALID"
_LOCK_SPACE = 1886547310
"""Beside that of the logical clocks."""


Settled = Redeemed | InConflict


@dataclass(frozen=True)
class _Sent:
    """A use as it was sent, and the scan that it is; None when the QR is not genuine."""

    offline: Offline
    scan: Scan | None

    @property
    def digest(self) -> bytes:
        """What makes two of one scan_id the same."""
        return request_digest(self.offline.qr, self.offline.function_code, self.offline.uses)


@dataclass(frozen=True)
class _ConflictRow:
    """The audit event of a conflict, with the values of its columns."""

    partner_id: int | None
    actor: str
    request_id: str
    ticket_code: str | None
    idempotency_key: str
    request_digest: str
    conflict: RedemptionConflict

    def columns(self) -> dict[str, Any]:
        """Return the columns by name."""
        columns = {**vars(self), "data": orjson.Fragment(self.conflict.json())}
        del columns["conflict"]
        return columns


class Syncer:
    """What settling the scans of a device that was away needs."""

    def __init__(self, database: Database, runtime: Runtime, verifiers: Verifiers, rules: GateRules) -> None:
        self._database = database
        self._runtime = runtime
        self._verifiers = verifiers
        self._rules = rules

    async def sync(self, device: Device, entries: list[Offline | Unreadable]) -> list[Settled]:
        """Return the answer to each entry, in their order; the same answers when they are sent again.

        Raises:
            Busy: nothing is changed then.
        """
        read = [await self._read(place, device, entry) for place, entry in enumerate(entries)]
        async with self._database.transaction() as tx:
            held = await tx.fetch_one(sql.hold_device, lock_space=_LOCK_SPACE, device=device.lock_name)
            assert held is not None
            clocks = (self._runtime.now(), held.database_now)
            sent = [self._with_time(each, clocks) for each in read if isinstance(each, _Sent)]
            settled = await self._settle(tx, device, sent)
            answers = [settled.pop(0) if isinstance(each, _Sent) else each for each in read]
            counts = Counter(filter(None, map(_counted, answers)))
            await count_at_gate(tx, self._runtime, device.caller, device.device_id, counts)
        _log(device, answers, counts)
        return answers

    async def _read(self, place: int, device: Device, entry: Offline | Unreadable) -> _Sent | InConflict:
        if place % VERIFIED_IN_ONE_GO == 0:
            await asyncio.sleep(0)
        if isinstance(entry, Unreadable):
            return _unreadable(device, entry)
        offline = replace(entry, qr=fold_token(entry.qr))
        verified = await self._verifiers.read(offline.qr)
        if verified is None:
            return _Sent(offline, None)
        token = verified.token
        scan = Scan(
            caller=device.caller,
            request_id=device.request_id,
            presented=Presented(token.ticket_code, token.issue_number, verified.is_retired),
            function_code=offline.function_code,
            uses=offline.uses,
            device_id=device.device_id,
            scan_id=offline.scan_id,
            entry=Entry.OFFLINE,
            scanned_at=offline.scanned_at or self._runtime.now(),
        )
        return _Sent(offline, scan)

    def _with_time(self, sent: _Sent, clocks: tuple[datetime, datetime]) -> _Sent:
        """Return the same with the refusal of its time, if there is one."""
        if sent.scan is None:
            return sent
        refusal = refusal_of_time(sent.offline.scanned_at, clocks, self._rules.scan_age_max)
        return replace(sent, scan=replace(sent.scan, time_refusal=refusal))

    async def _settle(self, tx: Transaction, device: Device, sent: list[_Sent]) -> list[Settled]:
        settled = await _conflicts_told(tx, device, sent)
        open_ones = [
            (place, each.scan)
            for place, each in enumerate(sent)
            if place not in settled and each.scan is not None
        ]
        outcomes = await self._redeem_in_order(tx, device, open_ones)
        room = await _room_in_record(tx, open_ones, outcomes)
        events: dict[str, _ConflictRow] = {}
        for place, each in enumerate(sent):
            if place in settled:
                continue
            outcome = outcomes.get(place)
            try:
                settled[place] = _redeemed(each, outcome, self._runtime)
            except DomainError as refusal:
                event = _event(device, each, outcome, refusal)
                is_again = event.idempotency_key in events
                is_kept = is_again or room[event.ticket_code] > 0
                settled[place] = _conflict(
                    event.ticket_code, event.conflict, replayed=is_again, is_kept=is_kept
                )
                if is_kept and not is_again:
                    events[event.idempotency_key] = event
                    room[event.ticket_code] -= 1
        await tx.execute(
            sql.tell_conflicts,
            conflicts=orjson.dumps([row.columns() for row in events.values()]).decode(),
            event=RedemptionConflict.event_name,
            operation=OPERATION,
            now=self._runtime.now(),
        )
        return [settled[place] for place in range(len(sent))]

    async def _redeem_in_order(
        self, tx: Transaction, device: Device, scans: list[tuple[int, Scan]]
    ) -> dict[int, ScanResult]:
        """Outcomes by place. Those of one ticket, or one scan_id, go one statement after the other."""
        codes = sorted({scan.ticket_code for _, scan in scans})
        await tx.fetch_all(sql.hold_tickets, ticket_codes=codes, partner_id=device.caller.partner_id)
        waiting, outcomes = ClaimQueue[tuple[int, Scan]](), dict[int, ScanResult]()
        for each in scans:
            waiting.add(each, each[1].claims)
        while together := waiting.take():
            told = await redeem_waiting(tx, self._runtime, [scan for _, scan in together])
            outcomes.update((place, outcome) for (place, _), outcome in zip(together, told, strict=True))
        return outcomes


async def _conflicts_told(tx: Transaction, device: Device, sent: list[_Sent]) -> dict[int, Settled]:
    """By place, those that were in conflict when they were sent before."""
    scans = [
        {
            "position": place,
            "caller_partner_id": device.caller.partner_id,
            "ticket_code": each.scan and each.scan.ticket_code,
            "idempotency_key": _key(device, each),
            "old_key": _old_key(device, each),
        }
        for place, each in enumerate(sent)
    ]
    rows = await tx.fetch_all(sql.conflicts_told, scans=orjson.dumps(scans).decode(), operation=OPERATION)
    return {
        row.position: _conflict(row.ticket_code, RedemptionConflict.of(row.data), replayed=True)
        for row in rows
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


def _key(device: Device, each: _Sent) -> str:
    """A space stands in no part of it."""
    return f"{device_of(device.caller, device.device_id)} {each.offline.scan_id} {each.digest.hex()}"


def _old_key(device: Device, each: _Sent) -> str:
    """Return the key of a conflict that was recorded before devices had owners."""
    return f"{old_device_of(device.caller, device.device_id)} {each.offline.scan_id} {each.digest.hex()}"


def _unreadable(device: Device, entry: Unreadable) -> InConflict:
    wrong = "; ".join(f"{error.pointer} {error.detail}" for error in entry.errors[:ERRORS_NAMED_MAX])
    return InConflict(
        ticket_code=None,
        code=ENTRY_INVALID,
        reason=f"This entry is not valid: {wrong}.",
        this=ScanRef(device.device_id, entry.scan_id, at=None),
        other=None,
        replayed=False,
        is_kept=False,
    )


def _counted(settled: Settled) -> Counted | None:
    """Return the kind under which an answer is counted, or None."""
    if isinstance(settled, Redeemed):
        return Counted.LATE if settled.is_late and not settled.replayed else None
    of_what = settled.code if settled.ticket_code is None else Counted.REPEATED
    return None if settled.is_kept else Counted(of_what)


def _redeemed(each: _Sent, outcome: ScanResult | None, runtime: Runtime) -> Redeemed:
    """The use, or the refusal raised."""
    if each.scan is None or outcome is None:
        raise qr_invalid(is_key_retired=False)
    return redeemed_or_refused(each.scan, outcome, runtime)


def _event(device: Device, each: _Sent, outcome: ScanResult | None, refusal: DomainError) -> _ConflictRow:
    """Return the audit event of a conflict. A conflict without a ticket is not kept."""
    is_known = outcome is not None and outcome.outcome is not ScanOutcome.UNKNOWN
    conflict = RedemptionConflict(
        code=UNKNOWN if isinstance(refusal, TicketUnknown) else refusal.code,
        reason=refusal.detail,
        device_id=device.device_id,
        scan_id=each.offline.scan_id,
        scanned_at=each.offline.scanned_at and rfc3339(each.offline.scanned_at),
        function_code=each.offline.function_code,
        uses=each.offline.uses,
        other=_other(device, each, outcome),
        uploaded_by=device.caller.uploaded_by,
    )
    return _ConflictRow(
        partner_id=outcome.partner_id if outcome else device.caller.partner_id,
        actor=device.caller.actor,
        request_id=device.request_id,
        ticket_code=each.scan.ticket_code if each.scan and is_known else None,
        idempotency_key=_key(device, each),
        request_digest=each.digest.hex(),
        conflict=conflict,
    )


def _other(device: Device, each: _Sent, outcome: ScanResult | None) -> OtherScan | None:
    """The scan that used the ticket before."""
    if outcome is None or outcome.outcome is ScanOutcome.UNKNOWN:
        return None
    if outcome.outcome is ScanOutcome.SCAN_REUSED:
        return OtherScan(device.device_id, each.offline.scan_id, rfc3339(outcome.redeemed_at))
    if outcome.last_used_at is None:
        return None
    assert outcome.last_device_id is not None
    assert outcome.last_scan_id is not None
    return OtherScan(outcome.last_device_id, outcome.last_scan_id, rfc3339(outcome.last_used_at))


def _conflict(
    ticket_code: str | None, event: RedemptionConflict, *, replayed: bool, is_kept: bool = True
) -> InConflict:
    other = event.other
    return InConflict(
        ticket_code=ticket_code,
        code=cast("ConflictCode", event.code),
        reason=event.reason,
        this=ScanRef(event.device_id, event.scan_id, event.scanned_at),
        other=other and ScanRef(other.device_id, other.scan_id, other.at),
        replayed=replayed,
        is_kept=is_kept,
    )


def _log(device: Device, answers: list[Settled], counts: Counter[Counted]) -> None:
    """Log one line for each redemption and each kept conflict, and one line for all counted scans."""
    for each in answers:
        if each.replayed:
            continue
        if isinstance(each, Redeemed):
            log.info(
                REDEEMED,
                ticket_code=each.ticket_code,
                function_code=each.function_code,
                device_id=device.device_id,
                entry=Entry.OFFLINE.value,
            )
        elif each.is_kept:
            log.warning(
                "ota.tickets.redemption_conflict",
                ticket_code=each.ticket_code,
                code=each.code,
                device_id=device.device_id,
                scan_id=each.this.scan_id,
            )
    if counts:
        log.warning(
            "ota.tickets.counted_at_gate",
            device_id=device.device_id,
            **{code.value.lower(): counted for code, counted in counts.items()},
        )
