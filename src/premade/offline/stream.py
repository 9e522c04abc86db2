"""The snapshot as a streamed answer, for the API and for the console's gate page."""

from premade.http.negotiation import header_list, takes_gzip
from premade.http.streaming import Stream
from premade.offline.snapshot import Snapshots
from premade.partners.call import GateCall

MEDIA_TYPE = "application/x-ndjson"


def snapshot_stream(call: GateCall, since: str | None) -> Stream:
    """Return the snapshot for a gate, compressed unless the client refuses gzip."""
    snapshots, partner_id = call.use(Snapshots), call.caller.partner_id
    return Stream(
        snapshots.lines(call.caller, since),
        MEDIA_TYPE,
        {"Vary": "Accept-Encoding"},
        is_compressed=takes_gzip(header_list(call.scope, b"accept-encoding"), default=True),
        place=lambda: snapshots.place(partner_id),
    )
