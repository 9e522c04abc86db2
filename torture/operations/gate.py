"""Requests of a gate: redeem, upload offline scans, and follow the tickets with snapshots."""

import random
from datetime import UTC, datetime
from typing import Any

import orjson

from torture.journal import Request
from torture.knowledge import Device, Knowledge
from torture.operations.operation import Draft, operation

SCANS_MAX = 4
FORGETS_SHARE = 0.003
"""Share of snapshots that a device fetches as a whole, as after a restart of the device."""


def _learn_redemption(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    if body["status"] == "USED":
        known.note_end(body["ticket_code"])


@operation(20, _learn_redemption)
def redeem(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    code = known.pick(known.active, choice)
    if code is None:
        return None
    body = {
        "qr": known.token(code),
        "function_code": choice.choice(sorted(known.functions)),
        "uses": choice.randint(1, 2),
        "device_id": "GATE-1",
        "scan_id": key,
    }
    return Draft("POST", "/api/gate/redemptions", body)


def _results(content: bytes) -> dict[str, Any]:
    """Return the result of each scan. Whether it is repeated differs between a response and its replay."""
    names = ("scan_id", "outcome", "ticket_code", "status", "remaining", "code")
    return {
        "results": [{name: each[name] for name in names} for each in orjson.loads(content)["results"]],
    }


def _learn_upload(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    for each in body["results"]:
        if each["outcome"] == "accepted":
            _learn_redemption(known, request, each)


@operation(4, _learn_upload, _results)
def sync(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    device = choice.choice(known.devices)
    codes = [known.pick(device.tickets, choice) for _ in range(choice.randint(1, SCANS_MAX))]
    scanned_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    scans = [
        {
            "scan_id": f"{key}.{number}",
            "qr": known.token(code),
            "function_code": choice.choice(sorted(known.functions)),
            "uses": 1,
            "scanned_at": scanned_at,
        }
        for number, code in enumerate(codes)
        if code is not None
    ]
    if not scans:
        return None
    return Draft("POST", "/api/gate/redemptions/sync", {"device_id": device.name, "redemptions": scans})


def _lines(content: bytes) -> dict[str, Any]:
    first, *tickets, last = (orjson.loads(line) for line in content.splitlines())
    return {**first, **last, "lines": tickets}


def _learn_snapshot(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    """Apply the snapshot to the device, and leave only figures for the journal."""
    lines = body.pop("lines")
    for device in known.devices:
        if request.body is not None and device.name == request.body["device_id"]:
            device.apply(request.body["since"], body, lines)


@operation(1, _learn_snapshot, _lines, is_read=True)
def snapshot(known: Knowledge, choice: random.Random, key: str) -> Draft:
    del key
    device = choice.choice(known.devices)
    return snapshot_for(device, None if choice.random() < FORGETS_SHARE else device.since)


def snapshot_for(device: Device, since: str | None) -> Draft:
    """Return the request for the changes since this cursor."""
    query = "" if since is None else f"?since={since}"
    # A GET has no body: this one says which device it is for.
    return Draft("GET", f"/api/gate/snapshot{query}", {"device_id": device.name, "since": since})
