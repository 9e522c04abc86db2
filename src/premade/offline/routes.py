"""`GET /api/gate/snapshot`, and `/.well-known/premade-keys.json`."""

from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from premade.devices.device_id import NAME_PATTERN, name_of_device_or_scan
from premade.devices.registry import DEVICE_REFUSALS
from premade.http.gateway import PageRoute
from premade.http.pagination import optional
from premade.http.problems import documented, problem_of
from premade.http.spool import NoRoomForFile
from premade.http.streaming import Stream
from premade.limits.long_reads import TooManyLongReads
from premade.offline.snapshot import CURSOR_CHARACTERS_MAX, SnapshotsBusy
from premade.offline.stream import MEDIA_TYPE, snapshot_stream
from premade.partners.call import GateCall, gate_router, gate_with
from premade.runtime.errors import Busy, DatabaseAway, DomainError
from premade.tickets.key_file import key_file
from premade.tickets.signing import Verifiers

router = gate_router("Gate")

KEYS_PATH = "/.well-known/premade-keys.json"
KEYS_CACHE_SECONDS = 300
_EXAMPLE = """{"snapshot":"full","made_at":"2025-11-04T08:40:00.000Z","time_zone":"Asia/Hong_Kong","test":false}
{"ticket_code":"CRUISE-2025-FERRY-1762274285982","issue_number":1,"uses":{"ferry":2,"gift":1},"usable_until":null}
{"next":"WyI3NDU2LjE2Mzg0LjAwMDAwMDAxIixudWxsLDgxMV0","tickets":1}
"""


class JsonLines(Response):
    """JSON lines in the OpenAPI document."""

    media_type = MEDIA_TYPE


_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}}}
}


@router.get(
    "/api/gate/snapshot",
    summary="Get a snapshot of the tickets to admit without network",
    description=(
        "Return every ACTIVE ticket with its issue number and remaining uses, or with `since` the "
        "changes.\n\n"
        'The first line is `{"snapshot": "full" or "changes", "made_at": …, "time_zone": …, "test": …}`. '
        'With `"test": true` the snapshot lists test tickets. `"full"` can also come with `since`, if '
        "the changes are not available: then delete all stored tickets. A day in `usable_until` ends in "
        "this `time_zone`. Delete a ticket whose line has `gone` (USED or CANCELLED).\n\n"
        'The last line is `{"next": …, "tickets": …}`. Without it the response is incomplete: discard '
        "it.\n\n"
        "A partner's key gets the partner's own tickets. The operator's key gets the tickets of all "
        "partners except test partners. The operator's key in test mode gets the tickets of test "
        "partners only."
    ),
    response_description="JSON lines, with `Content-Encoding: gzip` unless `Accept-Encoding` excludes it",
    response_class=JsonLines,
    response_model=None,
    responses=_LINES | documented(*DEVICE_REFUSALS, TooManyLongReads, SnapshotsBusy, NoRoomForFile),
)
async def gate_snapshot(
    call: Annotated[GateCall, gate_with("gate:redeem")],
    since: Annotated[
        str | None,
        Query(
            description="Opaque: 'next' of the previous snapshot. Without it, the snapshot is full.",
            json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": CURSOR_CHARACTERS_MAX},
        ),
    ] = None,
    device_id: Annotated[
        str | None,
        optional(name_of_device_or_scan),
        Query(
            description="The device that asks. A device that the operator has revoked gets no snapshot.",
            json_schema_extra={"pattern": f"^{NAME_PATTERN}$"},
        ),
    ] = None,
) -> Stream:
    """Return every ACTIVE ticket with its issue number and remaining uses, or with `since` the changes."""
    return await snapshot_stream(call, since, device_id)


def public_routes() -> list[BaseRoute]:
    """Return the routes that need no API key."""
    return [PageRoute(KEYS_PATH, _keys, documented(DatabaseAway, Busy), is_public=True)]


async def _keys(request: Request) -> Response:
    """Return the public keys of all valid QR tokens, newest last."""
    verifiers: Verifiers = request.app.state.services[Verifiers]
    try:
        keys = await verifiers.public_keys()
    except DomainError as error:
        return problem_of(error, path=request.url.path, request_id=request.state.request_id)
    headers = {
        "Cache-Control": f"public, max-age={KEYS_CACHE_SECONDS}",
        # A scanner may be a page of another site.
        "Access-Control-Allow-Origin": "*",
    }
    return JSONResponse(key_file(keys), headers=headers)
