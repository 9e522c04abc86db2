"""Entries of an upload of offline scans, and their conflicts. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from premade.runtime.errors import FieldError

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
    "RESULT_ARCHIVED",
    "TEST_TICKET",
    "LIVE_TICKET",
    "CLOCK_WRONG",
    "SCAN_TOO_OLD",
    "SCANNED_BEFORE_ACTIVATION",
    "ENTRY_INVALID",
]


@dataclass(frozen=True)
class OfflineScan:
    """An offline scan."""

    scan_id: str
    qr: str
    function_code: str
    uses: int
    scanned_at: datetime | None
    """None for a text that is not a time."""
    guard_proof: str | None = None
    """Proof of who scanned (`guard_proof.py`)."""


@dataclass(frozen=True)
class InvalidEntry:
    """An invalid entry of an upload; `errors` names each wrong member."""

    scan_id: str | None
    errors: list[FieldError]


@dataclass(frozen=True)
class ScanRef:
    """Device, scan_id and time of a scan."""

    device_id: str
    scan_id: str | None
    at: str | None
    """RFC 3339. None if the device sent no time."""


@dataclass(frozen=True)
class ScanConflict:
    """An offline scan that could not be redeemed. `other`: the scan that used the ticket before, if there is one."""

    ticket_code: str | None
    code: ConflictCode
    reason: str
    this: ScanRef
    other: ScanRef | None
    replayed: bool
    is_recorded: bool = True
    """Whether it is in the audit record. Otherwise it is only counted; with RESULT_ARCHIVED, not even that."""
