"""The gate: redeem, inspect and upload, for devices with the API and browsers with the gate page.

A ticket is presented as a QR, or as a code with digits of the customer's phone number.
"""

from dataclasses import dataclass, replace

from premade.audit.actors import staff_actor
from premade.devices.registry import GateDevices
from premade.redemption.guard_proof import GuardProofs
from premade.redemption.inspect import Inspection, Inspector
from premade.redemption.manual import ManualEntries, ManualEntry
from premade.redemption.offline_scan import InvalidEntry, OfflineScan
from premade.redemption.redeem import Redeemed, Redeemer
from premade.redemption.scan import Device, Entry, PresentedTicket, Scan
from premade.redemption.sync import Syncer, UploadResult
from premade.redemption.verdict import qr_invalid
from premade.tickets.code import fold_ticket_code, fold_token
from premade.tickets.signing import Verifiers


@dataclass(frozen=True)
class QrText:
    """The text of a QR code."""

    text: str


@dataclass(frozen=True)
class CodeAndDigits:
    """A manual entry: ticket code and last digits of the customer's phone number."""

    ticket_code: str
    phone_digits: str


Presentation = QrText | CodeAndDigits


@dataclass(frozen=True)
class UseRequest:
    """Uses of one function, and the scan_id."""

    function_code: str
    uses: int
    scan_id: str


@dataclass(frozen=True)
class Gate:
    """Redeem, inspect and upload at a gate."""

    verifiers: Verifiers
    manual_entries: ManualEntries
    redeemer: Redeemer
    inspector: Inspector
    syncer: Syncer
    guard_proofs: GuardProofs
    devices: GateDevices

    async def redeem(self, device: Device, presentation: Presentation, use: UseRequest) -> Redeemed:
        """Redeem an entitlement of the ticket, once for each scan_id of a device.

        Raises:
            DeviceRevoked, DeviceUnapproved: the device may not be used.
            QrInvalid: the QR is not genuine.
            PermissionMissing: the key may not use manual entries.
            TooManyEntries: a limit of wrong manual entries was reached.
            DigitsWrong: code and digits do not match.
            The errors of `Redeemer.redeem`. Nothing is redeemed then.
        """
        await self._require(device)
        return await self.redeemer.redeem(
            Scan(
                caller=device.caller,
                request_id=device.request_id,
                presented=await self._presented(device, presentation),
                function_code=use.function_code,
                uses=use.uses,
                device_id=device.device_id,
                scan_id=use.scan_id,
                entry=Entry.MANUAL if isinstance(presentation, CodeAndDigits) else Entry.SCAN,
            )
        )

    async def inspect(self, device: Device, presentation: Presentation) -> Inspection:
        """Return the ticket as it is now, and whether a scan would be admitted.

        Raises:
            DeviceRevoked, DeviceUnapproved: the device may not be used.
            QrInvalid: the QR is not genuine.
            PermissionMissing: the key may not use manual entries.
            TooManyEntries: a limit of wrong manual entries was reached.
            DigitsWrong: code and digits do not match.
            TicketUnknown: the gate knows no such ticket.
        """
        await self._require(device)
        return await self.inspector.inspect(device.caller, await self._presented(device, presentation))

    async def upload(self, device: Device, entries: list[OfflineScan | InvalidEntry]) -> list[UploadResult]:
        """Redeem offline scans; return one result for each, in their order. The actor of a scan is its guard.

        Raises:
            DeviceRevoked, DeviceUnapproved: the device may not be used. Nothing is redeemed.
            Busy: the scans of one guard, and all after them, are not redeemed. The upload can be repeated.
        """
        await self._require(device)
        results: list[UploadResult] = []
        for actor, together in await self._by_actor(device, entries):
            results += await self.syncer.sync(_as_scanned_by(device, actor), together)
        return results

    async def _require(self, device: Device) -> None:
        await self.devices.require(device.caller, device.device_id)

    async def _presented(self, device: Device, presentation: Presentation) -> PresentedTicket:
        """Return the presented ticket."""
        if isinstance(presentation, CodeAndDigits):
            entry = ManualEntry(
                fold_ticket_code(presentation.ticket_code), presentation.phone_digits, device.device_id
            )
            return PresentedTicket(await self.manual_entries.check(device.caller, entry), issue_number=None)
        verified = await self.verifiers.read(fold_token(presentation.text))
        if verified is None:
            raise qr_invalid(is_key_retired=False)
        return PresentedTicket(verified.token.ticket_code, verified.token.issue_number, verified.is_retired)

    async def _by_actor(
        self, device: Device, entries: list[OfflineScan | InvalidEntry]
    ) -> list[tuple[str, list[OfflineScan | InvalidEntry]]]:
        """Return the entries in their order, in runs of one actor. Without proof the actor is the uploader."""
        runs: list[tuple[str, list[OfflineScan | InvalidEntry]]] = []
        for entry in entries:
            actor = device.caller.actor
            if isinstance(entry, OfflineScan) and entry.scanned_at is not None:
                staff_id = await self.guard_proofs.staff_id(entry.guard_proof, entry.scanned_at)
                actor = staff_actor(staff_id) if staff_id else actor
            if not runs or runs[-1][0] != actor:
                runs.append((actor, []))
            runs[-1][1].append(entry)
        return runs


def _as_scanned_by(device: Device, actor: str) -> Device:
    uploader = device.caller.actor
    if actor == uploader:
        return device
    return replace(device, caller=replace(device.caller, actor=actor, uploaded_by=uploader))
