"""A ticket that is shown at a gate, as a device sends it. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from premade.partners.keyring import GateCaller
from premade.runtime.errors import DomainError
from premade.texts.fields import field_text
from premade.values.digest import request_digest

NAME_PATTERN = r"[A-Za-z0-9._:-]{1,64}"
_NAME = re.compile(NAME_PATTERN)


class Entry(StrEnum):
    """How a ticket came to the gate."""

    SCAN = "scan"
    MANUAL = "manual"
    OFFLINE = "offline"


def name_of_device_or_scan(text: str) -> str:
    """A device_id or scan_id. ValueError for what can be none."""
    if not _NAME.fullmatch(text):
        raise ValueError(field_text("gate.name"))
    return text


def device_of(caller: GateCaller, device_id: str) -> str:
    """Return a key of the device that includes its owner: two API keys may both have a GATE-1."""
    return f"{caller.owner} {device_id}"


def old_device_of(caller: GateCaller, device_id: str) -> str:
    """Return the key of the device as it was recorded before devices had owners. It finds older scans."""
    return device_id if caller.partner_id is not None else f"operator {device_id}"


@dataclass(frozen=True)
class Device:
    """A device at a gate, who uses it, and the request that it sent."""

    caller: GateCaller
    request_id: str
    device_id: str

    @property
    def lock_name(self) -> str:
        """The key of the lock on its uploads. Two API keys may both have a GATE-1, and do not wait for each other."""
        return device_of(self.caller, self.device_id)


@dataclass(frozen=True)
class Presented:
    """The ticket that a bearer presents. `issue_number` is that of the QR, None when the code was typed in;
    `is_key_retired` when the QR is genuine, but of a signing key that counts no more.
    """

    ticket_code: str
    issue_number: int | None
    is_key_retired: bool = False


@dataclass(frozen=True)
class Scan:
    """So many uses of one function that are asked for; `scanned_at` only of what a device did while it was away."""

    caller: GateCaller
    request_id: str
    presented: Presented
    function_code: str
    uses: int
    device_id: str
    scan_id: str
    entry: Entry
    scanned_at: datetime | None = None
    time_refusal: DomainError | None = None
    """Why `scanned_at` is refused whatever the ticket is."""

    @property
    def is_grantable(self) -> bool:
        """Whether only the ticket decides."""
        return not self.presented.is_key_retired and self.time_refusal is None

    @property
    def ticket_code(self) -> str:
        """The ticket's."""
        return self.presented.ticket_code

    @property
    def key(self) -> str:
        """The scan's key in the audit record, beside the ticket's partner. None of its parts contains a space.

        All browsers share one owner, so their key includes the digest of the request: no scan can take another's
        scan_id. The gate page makes unique ids.
        """
        key = f"{device_of(self.caller, self.device_id)} {self.scan_id}"
        return key if self.caller.key_id is not None else f"{key} {self.digest.hex()}"

    @property
    def old_key(self) -> str:
        """The scan's key in the audit record before devices had owners."""
        return f"{old_device_of(self.caller, self.device_id)} {self.scan_id}"

    @cached_property
    def digest(self) -> bytes:
        """What makes two requests the same one. Not when and how: a scan whose answer was lost may come again in what
        the device did while away.
        """
        return request_digest(self.ticket_code, self.presented.issue_number, self.function_code, self.uses)

    @property
    def claims(self) -> set[tuple[str, str]]:
        """What no two scans of one statement may share: the ticket, and the scan_id of a device."""
        return {("ticket", self.ticket_code), ("scan", self.key)}
