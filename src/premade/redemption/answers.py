"""Answers at the gate, made of what the actions return; for the API and for the console's gate page."""

from premade.http.endpoint import Reply
from premade.redemption.inspect import Inspected
from premade.redemption.offline_scan import InConflict, Offline, Unreadable
from premade.redemption.redeem import Redeemed
from premade.redemption.schemas import InspectAnswer, RedeemAnswer, ScanSeen, SyncAnswer, SyncedScan
from premade.redemption.sync import Settled
from premade.tickets.answers import Entitlement
from premade.tickets.ticket import Status


def redeem_reply(redeemed: Redeemed) -> Reply:
    """Return the answer to a redemption."""
    answer = RedeemAnswer(
        ticket_code=redeemed.ticket_code,
        status=redeemed.status,
        function_code=redeemed.function_code,
        used=redeemed.used,
        remaining=redeemed.remaining,
        entitlements=[Entitlement(**each) for each in redeemed.entitlements],
        redeemed_at=redeemed.redeemed_at,
        message=redeemed.message,
    )
    return Reply(answer, {"Idempotency-Replayed": "true"} if redeemed.replayed else {})


def inspect_answer(found: Inspected) -> InspectAnswer:
    """Return the answer to an inspection."""
    return InspectAnswer(
        ticket_code=found.ticket_code,
        product_name=found.product_name,
        status=Status(found.status),
        entitlements=[Entitlement(**each) for each in found.entitlements],
        usable_until=found.usable_until,
        first_used_at=found.first_used_at,
        customer_initials=found.customer_initials,
        is_admitted=found.refusal is None,
        refusal=found.refusal and found.refusal.code,
        message=found.message,
    )


def sync_answer(device_id: str, entries: list[Offline | Unreadable], settled: list[Settled]) -> SyncAnswer:
    """Return the answer to an upload: one result for each entry, in their order."""
    results = [_synced(one.scan_id, each) for one, each in zip(entries, settled, strict=True)]
    accepted = sum(each.outcome == "accepted" for each in results)
    return SyncAnswer(
        device_id=device_id, accepted=accepted, conflicts=len(results) - accepted, results=results
    )


def _synced(scan_id: str | None, settled: Settled) -> SyncedScan:
    if isinstance(settled, InConflict):
        return SyncedScan(
            scan_id=scan_id,
            outcome="conflict",
            ticket_code=settled.ticket_code,
            code=settled.code,
            message=settled.reason,
            this_scan=ScanSeen(**vars(settled.this)),
            other_scan=settled.other and ScanSeen(**vars(settled.other)),
            is_replayed=settled.replayed,
        )
    return SyncedScan(
        scan_id=scan_id,
        outcome="accepted",
        ticket_code=settled.ticket_code,
        status=settled.status,
        remaining=settled.remaining,
        redeemed_at=settled.redeemed_at,
        message=settled.message,
        is_replayed=settled.replayed,
    )
