"""The snapshot as a streamed answer, for the API and for the console's gate page."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from premade.devices.registry import GateDevices
from premade.http.negotiation import header_list, takes_gzip
from premade.http.streaming import Stream
from premade.limits.long_reads import LongReads
from premade.offline.snapshot import Snapshots
from premade.partners.call import GateCall

MEDIA_TYPE = "application/x-ndjson"


async def snapshot_stream(call: GateCall, since: str | None, device_id: str | None) -> Stream:
    """Return the snapshot for a gate, compressed unless the client refuses gzip.

    Raises:
        DeviceRevoked, DeviceUnapproved: the device may not be used.
    """
    await call.use(GateDevices).require(call.caller, device_id)
    snapshots, caller = call.use(Snapshots), call.caller

    @asynccontextmanager
    async def place() -> AsyncGenerator[None]:
        async with (
            snapshots.place(caller.partner_id),
            call.use(LongReads).place(caller.partner_id, caller.limits),
        ):
            yield

    return Stream(
        snapshots.lines(call.caller, since),
        MEDIA_TYPE,
        {"Vary": "Accept-Encoding"},
        is_compressed=takes_gzip(header_list(call.scope, b"accept-encoding"), default=True),
        place=place,
    )
