"""A scan at a gate, as a device sends it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from premade.partners.keyring import GateCaller
from premade.runtime.errors import DomainError
from premade.values.digest import request_digest


class Entry(StrEnum):
    """How a ticket was presented."""

    SCAN = "scan"
    MANUAL = "manual"
    OFFLINE = "offline"


def device_key(caller: GateCaller, device_id: str) -> str:
    """Return the device's key, unique in the service. It includes the owner, since two API keys may both have a GATE-1."""
    return f"{caller.owner} {device_id}"


def old_device_key(caller: GateCaller, device_id: str) -> str:
    """Return the key of the device as it was recorded before devices had owners. It finds older scans."""
    return device_id if caller.partner_id is not None else f"operator {device_id}"


@dataclass(frozen=True)
class Device:
    """A device at a gate, with the caller and the request."""

    caller: GateCaller
    request_id: str
    device_id: str

    @property
    def lock_name(self) -> str:
        """Return the name of the lock on its uploads."""
        return device_key(self.caller, self.device_id)


@dataclass(frozen=True)
class PresentedTicket:
    """A presented ticket.

    `issue_number`: of the QR; None for a manual entry. `is_key_retired`: the QR is genuine, but its signing key is retired.
    """

    ticket_code: str
    issue_number: int | None
    is_key_retired: bool = False


@dataclass(frozen=True)
class Scan:
    """A request for some uses of one function of a ticket. `scanned_at` is set for offline scans only."""

    caller: GateCaller
    request_id: str
    presented: PresentedTicket
    function_code: str
    uses: int
    device_id: str
    scan_id: str
    entry: Entry
    scanned_at: datetime | None = None
    time_refusal: DomainError | None = None
    """Why the time of the scan is refused, independent of the ticket."""
    partner_of_ticket: int | None = None
    """The partner of the ticket, or NO_PARTNER, if the service looked it up; otherwise None."""

    @property
    def is_grantable(self) -> bool:
        """Return whether nothing but the ticket can be a reason for a refusal."""
        return not self.presented.is_key_retired and self.time_refusal is None

    @property
    def partner_id(self) -> int | None:
        """Return the partner whose tickets the scan may use, or None for the tickets of all partners."""
        return self.partner_of_ticket if self.caller.partner_id is None else self.caller.partner_id

    @property
    def ticket_code(self) -> str:
        """Return the code of the ticket."""
        return self.presented.ticket_code

    @property
    def key(self) -> str:
        """Return the scan's key in the audit record, unique within the ticket's partner. No part contains a blank.

        All browsers share one owner, so their key includes the digest of the request: no scan can take another's
        scan_id. The gate page generates unique ids.
        """
        key = f"{device_key(self.caller, self.device_id)} {self.scan_id}"
        return key if self.caller.key_id is not None else f"{key} {self.digest.hex()}"

    @property
    def old_key(self) -> str:
        """Return the scan's key in the audit record before devices had owners."""
        return f"{old_device_key(self.caller, self.device_id)} {self.scan_id}"

    @cached_property
    def digest(self) -> bytes:
        """Return a digest that is equal for two requests of the same scan.

        Time and entry do not count: the device may repeat a scan whose response was lost in its upload.
        """
        return request_digest(self.ticket_code, self.presented.issue_number, self.function_code, self.uses)

    @property
    def claims(self) -> set[tuple[str, str]]:
        """Return the keys that no two scans of one statement may share: ticket and scan_id."""
        return {("ticket", self.ticket_code), ("scan", self.key)}
