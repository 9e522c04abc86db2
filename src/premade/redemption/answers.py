"""Responses at the gate, for the API and for the console's gate page."""

from premade.http.endpoint import Reply
from premade.redemption.inspect import Inspection
from premade.redemption.offline_scan import InvalidEntry, OfflineScan, ScanConflict
from premade.redemption.redeem import Redeemed
from premade.redemption.schemas import InspectAnswer, RedeemAnswer, ScanSeen, SyncAnswer, SyncedScan
from premade.redemption.sync import UploadResult
from premade.tickets.answers import Entitlement
from premade.tickets.ticket import Status


def redeem_reply(redeemed: Redeemed) -> Reply:
    """Return the response to a redemption."""
    answer = RedeemAnswer(
        ticket_code=redeemed.ticket_code,
        status=redeemed.status,
        function_code=redeemed.function_code,
        used=redeemed.used,
        remaining=redeemed.remaining,
        entitlements=[Entitlement(**entitlement) for entitlement in redeemed.entitlements],
        redeemed_at=redeemed.redeemed_at,
        message=redeemed.message,
    )
    return Reply(answer, replayed=redeemed.replayed)


def inspect_answer(inspected: Inspection) -> InspectAnswer:
    """Return the response to an inspection."""
    return InspectAnswer(
        ticket_code=inspected.ticket_code,
        product_name=inspected.product_name,
        status=Status(inspected.status),
        entitlements=[Entitlement(**entitlement) for entitlement in inspected.entitlements],
        usable_until=inspected.usable_until,
        first_used_at=inspected.first_used_at,
        customer_initials=inspected.customer_initials,
        is_admitted=inspected.refusal is None,
        refusal=inspected.refusal and inspected.refusal.code,
        message=inspected.message,
    )


def sync_answer(
    device_id: str, entries: list[OfflineScan | InvalidEntry], results_of_scans: list[UploadResult]
) -> SyncAnswer:
    """Return the response to an upload: one result for each entry, in their order."""
    results = [
        _synced(entry.scan_id, result) for entry, result in zip(entries, results_of_scans, strict=True)
    ]
    accepted = sum(result.outcome == "accepted" for result in results)
    return SyncAnswer(
        device_id=device_id, accepted=accepted, conflicts=len(results) - accepted, results=results
    )


def _synced(scan_id: str | None, result: UploadResult) -> SyncedScan:
    if isinstance(result, ScanConflict):
        return SyncedScan(
            scan_id=scan_id,
            outcome="conflict",
            ticket_code=result.ticket_code,
            code=result.code,
            message=result.reason,
            this_scan=ScanSeen(**vars(result.this)),
            other_scan=result.other and ScanSeen(**vars(result.other)),
            is_replayed=result.replayed,
        )
    return SyncedScan(
        scan_id=scan_id,
        outcome="accepted",
        ticket_code=result.ticket_code,
        status=result.status,
        remaining=result.remaining,
        redeemed_at=result.redeemed_at,
        message=result.message,
        is_replayed=result.replayed,
    )
