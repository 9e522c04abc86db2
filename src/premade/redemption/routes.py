"""`POST /api/gate/redemptions`, `/api/gate/redemptions/sync` and `/api/gate/inspect`."""

from typing import Annotated

from premade.devices.registry import DEVICE_REFUSALS
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
    presentation_of,
    use_of,
)
from premade.redemption.verdict import REFUSALS, FunctionUnknown, QrInvalid
from premade.runtime.batching import QueueFull
from premade.runtime.errors import ResultArchived
from premade.tickets.lookup import TicketUnknown

router = gate_router("Gate")


@router.post(
    "/api/gate/redemptions",
    summary="Redeem a ticket at the gate",
    description="Redeem uses of one function of a ticket, once for each scan_id of a device.",
    response_description="Ticket redeemed; admit the bearer",
    response_model=RedeemAnswer,
    responses=documented(
        *DEVICE_REFUSALS,
        QrInvalid,
        TicketUnknown,
        DigitsWrong,
        FunctionUnknown,
        *REFUSALS,
        ScanIdReused,
        ResultArchived,
        TooManyEntries,
        QueueFull,
    ),
)
async def redeem(call: Annotated[GateCall, gate_with("gate:redeem")], body: RedeemRequest) -> Reply:
    """Redeem uses of one function of a ticket, once for each scan_id of a device."""
    redeemed = await call.use(Gate).redeem(_device(call, body), presentation_of(body), use_of(body))
    return redeem_reply(redeemed)


@router.post(
    "/api/gate/redemptions/sync",
    summary="Upload the offline scans of a device",
    description=(
        "Redeem the offline scans of a device, each once, in their order.\n\n"
        "Each entry has its own result, in the order of the request. An invalid entry does not block the "
        "others. A scan that cannot be redeemed is a conflict, with both scans. The request is "
        "idempotent: the same scans get the same results.\n\n"
        "The service stores a conflict about a ticket for the operator. It counts forged codes, unknown "
        "tickets and invalid entries by device and day."
    ),
    response_description="Result of each scan",
    responses=documented(*DEVICE_REFUSALS),
)
async def sync(call: Annotated[GateCall, gate_with("gate:redeem")], body: SyncRequest) -> SyncAnswer:
    """Redeem the offline scans of a device, each once, in their order."""
    entries = entries_of(body)
    results = await call.use(Gate).upload(_device(call, body), entries)
    return sync_answer(body.device_id, entries, results)


@router.post(
    "/api/gate/inspect",
    summary="Inspect a ticket at the gate without redeeming it",
    description="Return the current state of a ticket. Of the customer it contains only the initials.",
    response_description="The ticket, and whether the gate would admit it",
    responses=documented(*DEVICE_REFUSALS, QrInvalid, TicketUnknown, DigitsWrong, TooManyEntries),
)
async def inspect(call: Annotated[GateCall, gate_with("gate:redeem")], body: ShownAtGate) -> InspectAnswer:
    """Return the current state of a ticket."""
    return inspect_answer(await call.use(Gate).inspect(_device(call, body), presentation_of(body)))


def _device(call: GateCall, body: ShownAtGate | SyncRequest) -> Device:
    return Device(call.caller, call.request_id, body.device_id)
