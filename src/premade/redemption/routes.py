"""`POST /api/gate/redemptions`, `/api/gate/redemptions/sync` and `/api/gate/inspect`."""

from typing import Annotated

from premade.http.endpoint import Reply
from premade.http.problems import documented
from premade.partners.call import GateCall, gate_router, gate_with
from premade.redemption.answers import inspect_answer, redeem_reply, sync_answer
from premade.redemption.gate import Gate
from premade.redemption.manual import DigitsWrong, TooManyEntries
from premade.redemption.redeem import ScanIdReused
from premade.redemption.scan import Device
from premade.redemption.schemas import (
    InspectAnswer,
    RedeemAnswer,
    RedeemRequest,
    ShownAtGate,
    SyncAnswer,
    SyncRequest,
    entries_of,
    shown_of,
    use_of,
)
from premade.redemption.verdict import REFUSALS, FunctionUnknown, QrInvalid
from premade.runtime.batching import QueueFull
from premade.tickets.lookup import TicketUnknown

router = gate_router("Gate")


@router.post(
    "/api/gate/redemptions",
    summary="Use up an entitlement of a ticket at the gate",
    response_description="Used up, once; let the bearer in",
    response_model=RedeemAnswer,
    responses=documented(
        QrInvalid,
        TicketUnknown,
        DigitsWrong,
        FunctionUnknown,
        *REFUSALS,
        ScanIdReused,
        TooManyEntries,
        QueueFull,
    ),
)
async def redeem(call: Annotated[GateCall, gate_with("gate:redeem")], wanted: RedeemRequest) -> Reply:
    """Uses up the entitlement, once for each scan_id of a device."""
    redeemed = await call.use(Gate).redeem(_device(call, wanted), shown_of(wanted), use_of(wanted))
    return redeem_reply(redeemed)


@router.post(
    "/api/gate/redemptions/sync",
    summary="What a device let in while it was away",
    response_description="What came of each; those in conflict are kept for the operator to look at",
    responses=documented(),
)
async def sync(call: Annotated[GateCall, gate_with("gate:redeem")], wanted: SyncRequest) -> SyncAnswer:
    """Uses up what the device let in, each scan once, in their order. One that cannot be used up is a conflict, with
    both scans. Each entry is answered by itself, in the order of the request; a bad one keeps back no other. Sent again,
    it is answered the same.

    A conflict about a ticket is kept for the operator. Forged codes, tickets that nobody has and entries that cannot be
    read are counted by device and day.
    """
    entries = entries_of(wanted)
    settled = await call.use(Gate).upload(_device(call, wanted), entries)
    return sync_answer(wanted.device_id, entries, settled)


@router.post(
    "/api/gate/inspect",
    summary="Look at a ticket at the gate, without using it",
    response_description="The ticket, and whether it would be let in",
    responses=documented(QrInvalid, TicketUnknown, DigitsWrong, TooManyEntries),
)
async def inspect(call: Annotated[GateCall, gate_with("gate:redeem")], wanted: ShownAtGate) -> InspectAnswer:
    """The ticket as it is now. Of the customer no more than the initials."""
    return inspect_answer(await call.use(Gate).inspect(_device(call, wanted), shown_of(wanted)))


def _device(call: GateCall, wanted: ShownAtGate | SyncRequest) -> Device:
    return Device(call.caller, call.request_id, wanted.device_id)
