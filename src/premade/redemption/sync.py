"""What a device did while it was away: each scan is used up now, or kept as a conflict. None is lost."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from premade.audit.record import Event
from premade.base import statements
from premade.base.digest import request_digest
from premade.base.errors import DomainError, FieldError, Invalid
from premade.base.logs import log
from premade.base.queue import Line
from premade.base.work import Database, Work
from premade.base.world import World, rfc3339
from premade.partners.keyring import GateCaller
from premade.redemption.redeem import Redeemed, log_redeemed, redeem_waiting, redeemed_or_refused
from premade.redemption.scan import Entry, Presented, Scan, device_of
from premade.redemption.verdict import qr_invalid
from premade.tickets.lookup import TicketUnknown
from premade.tickets.signing import Verifiers

sql = statements.load(__file__)

OPERATION = "sync"
"""What a conflict is remembered under, beside the partner: the device, the scan and the digest of what was asked."""
REDEMPTIONS_MAX = 500
CLOCK_SKEW_SECONDS_MAX = 120
VERIFIED_IN_ONE_GO = 20
"""Signatures that are checked before other requests get their turn."""
UNKNOWN = "UNKNOWN"
ConflictCode = Literal[
    "USED_UP",
    "CANCELLED",
    "QR_REVOKED",
    "EXPIRED",
    "NOT_ACTIVATED",
    "QR_INVALID",
    "UNKNOWN",
    "FUNCTION_UNKNOWN",
    "SCAN_ID_REUSED",
]
_LOCK_SPACE = 1886547310
"""Beside that of the logical clocks."""


@dataclass(frozen=True)
class Device:
    """A device that is back, with the key that it sent and the request that it sent it in."""

    caller: GateCaller
    request_id: str
    device_id: str

    @property
    def lock_name(self) -> str:
        """Two partners may both have a GATE-1, and do not wait for each other."""
        return f"{self.caller.partner_id} {self.device_id}"


@dataclass(frozen=True)
class Offline:
    """One use that a device allowed while it was away."""

    scan_id: str
    qr: str
    function_code: str
    uses: int
    scanned_at: datetime


@dataclass(frozen=True)
class ScanRef:
    """A scan, by where and when it was."""

    device_id: str
    scan_id: str
    at: str
    """RFC 3339."""


@dataclass(frozen=True)
class InConflict:
    """A use that could not be: `code` and `reason` say why, `other` is the scan that used the ticket, if any did."""

    ticket_code: str | None
    code: ConflictCode
    reason: str
    this: ScanRef
    other: ScanRef | None
    replayed: bool


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


class Syncer:
    """What settling the scans of a device that was away needs."""

    def __init__(self, database: Database, world: World, verifiers: Verifiers) -> None:
        self._database = database
        self._world = world
        self._verifiers = verifiers

    async def sync(self, device: Device, redemptions: list[Offline]) -> list[Settled]:
        """What came of each, in their order; the same when they are sent again. Invalid, Busy; nothing is changed then."""
        self._check_clock(redemptions)
        sent = [await self._read(place, device, offline) for place, offline in enumerate(redemptions)]
        async with self._database.transaction() as work:
            await work.all(sql.hold_device, lock_space=_LOCK_SPACE, device=device.lock_name)
            settled = await self._settle(work, device, sent)
        for each, outcome in zip(sent, settled, strict=True):
            if not outcome.replayed:
                _log(device, each, outcome)
        return settled

    def _check_clock(self, redemptions: list[Offline]) -> None:
        latest = self._world.now() + timedelta(seconds=CLOCK_SKEW_SECONDS_MAX)
        message = (
            f"Must not be more than {CLOCK_SKEW_SECONDS_MAX} seconds in the future; check the device's clock"
        )
        errors = [
            FieldError(f"#/redemptions/{place}/scanned_at", message)
            for place, redemption in enumerate(redemptions)
            if redemption.scanned_at > latest
        ]
        if errors:
            raise Invalid(errors)

    async def _read(self, place: int, device: Device, offline: Offline) -> _Sent:
        if place % VERIFIED_IN_ONE_GO == 0:
            await asyncio.sleep(0)
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
            scanned_at=offline.scanned_at,
        )
        return _Sent(offline, scan)

    async def _settle(self, work: Work, device: Device, sent: list[_Sent]) -> list[Settled]:
        settled = await _conflicts_told(work, device, sent)
        open_ones = [
            (place, each.scan)
            for place, each in enumerate(sent)
            if place not in settled and each.scan is not None
        ]
        outcomes = await self._redeem_in_order(work, device, open_ones)
        events: dict[str, dict[str, Any]] = {}
        for place, each in enumerate(sent):
            if place in settled:
                continue
            outcome = outcomes.get(place)
            try:
                settled[place] = _redeemed(each, outcome, self._world)
            except DomainError as refusal:
                event = _event(device, each, outcome, refusal)
                settled[place] = _conflict(event, replayed=event["idempotency_key"] in events)
                events.setdefault(event["idempotency_key"], event)
        await work.all(
            sql.tell_conflicts,
            conflicts=orjson.dumps(list(events.values())).decode(),
            event=Event.REDEMPTION_CONFLICT.value,
            operation=OPERATION,
            now=self._world.now(),
        )
        return [settled[place] for place in range(len(sent))]

    async def _redeem_in_order(
        self, work: Work, device: Device, scans: list[tuple[int, Scan]]
    ) -> dict[int, dict[str, Any]]:
        """Outcomes by place. Those of one ticket, or one scan_id, go one statement after the other."""
        codes = sorted({scan.ticket_code for _, scan in scans})
        await work.all(sql.hold_tickets, ticket_codes=codes, partner_id=device.caller.partner_id)
        waiting, outcomes = Line[tuple[int, Scan]](), dict[int, dict[str, Any]]()
        for each in scans:
            waiting.add(each, each[1].claims)
        while together := waiting.take():
            told = await redeem_waiting(work, self._world, [scan for _, scan in together])
            outcomes.update((place, outcome) for (place, _), outcome in zip(together, told, strict=True))
        return outcomes


async def _conflicts_told(work: Work, device: Device, sent: list[_Sent]) -> dict[int, Settled]:
    """By place, those that were in conflict when they were sent before."""
    scans = [
        {
            "position": place,
            "caller_partner_id": device.caller.partner_id,
            "ticket_code": each.scan and each.scan.ticket_code,
            "idempotency_key": _key(device, each),
        }
        for place, each in enumerate(sent)
    ]
    rows = await work.all(sql.conflicts_told, scans=orjson.dumps(scans).decode(), operation=OPERATION)
    return {row["position"]: _conflict(row, replayed=True) for row in rows}


def _key(device: Device, each: _Sent) -> str:
    """A space stands in no part of it."""
    return f"{device_of(device.caller, device.device_id)} {each.offline.scan_id} {each.digest.hex()}"


def _redeemed(each: _Sent, outcome: dict[str, Any] | None, world: World) -> Redeemed:
    """The use, or the refusal raised."""
    if each.scan is None or outcome is None:
        raise qr_invalid(is_key_retired=False)
    return redeemed_or_refused(each.scan, outcome, world)


def _event(
    device: Device, each: _Sent, outcome: dict[str, Any] | None, refusal: DomainError
) -> dict[str, Any]:
    """The audit event of a conflict. What a code that is not genuine holds may be anybody's: its digest is kept."""
    is_known = outcome is not None and outcome["outcome"] != "unknown"
    data = {
        "code": UNKNOWN if isinstance(refusal, TicketUnknown) else refusal.code,
        "reason": refusal.detail,
        "device_id": device.device_id,
        "scan_id": each.offline.scan_id,
        "scanned_at": rfc3339(each.offline.scanned_at),
        "function_code": each.offline.function_code,
        "uses": each.offline.uses,
        "other": _other(device, each, outcome),
    }
    if each.scan is None:
        data["qr_sha256"] = hashlib.sha256(each.offline.qr.encode()).hexdigest()
    elif not is_known:
        data["shown_ticket_code"] = each.scan.ticket_code
    return {
        "partner_id": outcome["partner_id"] if outcome else device.caller.partner_id,
        "actor": device.caller.actor,
        "request_id": device.request_id,
        "ticket_code": each.scan.ticket_code if each.scan and is_known else None,
        "idempotency_key": _key(device, each),
        "request_digest": each.digest.hex(),
        "data": data,
    }


def _other(device: Device, each: _Sent, outcome: dict[str, Any] | None) -> dict[str, str] | None:
    """The scan that used the ticket before."""
    if outcome is None or outcome["outcome"] == "unknown":
        return None
    if outcome["outcome"] == "scan_reused":
        return {
            "device_id": device.device_id,
            "scan_id": each.offline.scan_id,
            "at": rfc3339(outcome["redeemed_at"]),
        }
    if outcome["last_used_at"] is None:
        return None
    return {
        "device_id": outcome["last_device_id"],
        "scan_id": outcome["last_scan_id"],
        "at": rfc3339(outcome["last_used_at"]),
    }


def _conflict(event: dict[str, Any], *, replayed: bool) -> InConflict:
    data = event["data"]
    return InConflict(
        ticket_code=event["ticket_code"],
        code=data["code"],
        reason=data["reason"],
        this=ScanRef(data["device_id"], data["scan_id"], data["scanned_at"]),
        other=data["other"] and ScanRef(**data["other"]),
        replayed=replayed,
    )


def _log(device: Device, each: _Sent, outcome: Settled) -> None:
    if isinstance(outcome, InConflict):
        log.warning(
            "ota.tickets.redemption_conflict",
            ticket_code=outcome.ticket_code,
            code=outcome.code,
            device_id=device.device_id,
            scan_id=each.offline.scan_id,
        )
    elif each.scan is not None:
        log_redeemed(each.scan)
