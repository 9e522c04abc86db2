"""`GET /api/ota/batches/{batch_id}/tickets`: all tickets of a batch in one response, as CSV or JSON lines."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from premade.batches.batch import BatchUnknown
from premade.batches.routes import BatchId
from premade.export.as_csv import CSV
from premade.export.as_jsonl import JSON_LINES
from premade.export.formats import file_name
from premade.export.rows import Exporter, TicketsToExport
from premade.export.text import Exports, ExportsBusy, TextForm, recorded
from premade.http.negotiation import header_list, preferred, takes_gzip
from premade.http.problems import documented
from premade.http.spool import NoRoomForFile
from premade.http.streaming import Stream
from premade.limits.long_reads import LongReads, TooManyLongReads
from premade.partners.call import Call, partner_router, partner_with
from premade.runtime.errors import Unacceptable
from premade.tickets.ticket import Status

router = partner_router("OTA Integration")

_EXAMPLES = {
    CSV: "ticket_code,status,qr_token,product_id,product_name,batch_id,issue_number,entitlements,price,currency,valid_until,"
    "usable_until,created_at,activated_at,order_id\r\nCRUISE-2025-FERRY-1762274285982,PRE_GENERATED,"
    "PM1:CRUISE-2025-FERRY-1762274285982:1:K1:…,106,Harbour Cruise Premium,BATCH_2025_Q1_001,1,"
    '"ferry=2, gift=1",288.00,HKD,2099-03-31,,2025-11-04T08:40:00.000Z,,\r\n',
    JSON_LINES: '{"ticket_code":"CRUISE-2025-FERRY-1762274285982","status":"PRE_GENERATED","qr_token":"PM1:…","product_id":106,'
    '"product_name":"Harbour Cruise Premium","batch_id":"BATCH_2025_Q1_001","issue_number":1,"entitlements":[{'
    '"function_code":"ferry","remaining_uses":2}],"price":"288.00","currency":"HKD","valid_until":"2099-03-31",'
    '"usable_until":null,"created_at":"2025-11-04T08:40:00.000Z","activated_at":null,"order_id":null}\n',
}
_ALL = "Return all tickets of the batch, as they are at one moment, in code order."
_DOCUMENTED = documented(BatchUnknown, TooManyLongReads, ExportsBusy, NoRoomForFile)


@dataclass(eq=False)
class NoFormatAccepted(Unacceptable):
    """The header Accept excludes every available format of the tickets."""

    code = "NO_FORMAT_ACCEPTED"

    media_types: str


class _Csv(Response):
    media_type = CSV.media_type


class _JsonLines(Response):
    media_type = JSON_LINES.media_type


def _content(*forms: TextForm) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "content": {
                form.media_type: {"schema": {"type": "string"}, "example": _EXAMPLES[form]} for form in forms
            }
        }
    }


StatusFilter = Annotated[Status | None, Query(description="Only tickets in this state")]


def _stream(
    call: Call, form: TextForm, batch_id: str, status: Status | None, headers: Mapping[str, str]
) -> Stream:
    selection = TicketsToExport(call.caller.partner_id, batch_id, None if status is None else (status,))
    exports = call.use(Exports)

    async def record() -> None:
        # At most one event an hour for a program that polls.
        exporter = Exporter(call.caller.actor, call.request_id, once_an_hour=True)
        await exports.record(selection, exporter, form=form.suffix)

    @asynccontextmanager
    async def place() -> AsyncGenerator[None]:
        caller = call.caller
        async with (
            exports.place_of_partner(caller.partner_id),
            call.use(LongReads).place(caller.partner_id, caller.limits),
        ):
            yield

    charset = "; charset=utf-8" if form is CSV else ""
    # A HEAD request exports no ticket.
    pieces = exports.pieces(form, selection)
    return Stream(
        pieces if call.scope["method"] == "HEAD" else recorded(pieces, record),
        form.media_type + charset,
        headers,
        # Uncompressed without Accept-Encoding, so that a client can save the response.
        is_compressed=takes_gzip(header_list(call.scope, b"accept-encoding"), default=False),
        place=place,
    )


def _serve_file(form: TextForm, kind: type[Response], description: str) -> None:
    """Add the endpoint that returns the tickets in one format as a file."""

    async def batch_tickets_file(
        call: Annotated[Call, partner_with("tickets:read")], batch_id: BatchId, status: StatusFilter = None
    ) -> Stream:
        words = batch_id if status is None else f"{batch_id}-{status.lower()}"
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(words, form.suffix)}"',
            "Vary": "Accept-Encoding",
        }
        return _stream(call, form, batch_id, status, headers)

    router.add_api_route(
        f"/api/ota/batches/{{batch_id}}/tickets.{form.suffix}",
        batch_tickets_file,
        name=f"batch_tickets_{form.suffix}",
        summary=f"Export the tickets of a batch as {form.name}",
        description=f"{_ALL} {description}",
        response_description="One line per ticket",
        response_class=kind,
        response_model=None,
        responses=_content(form) | _DOCUMENTED,
        methods=["GET"],
    )


_serve_file(
    CSV,
    _Csv,
    "The file is for programs: UTF-8 with a header line, without a byte order mark (RFC 4180), with exact values. "
    "Do not open it with a spreadsheet: a value that begins with '=' would run as a formula.",
)
_serve_file(
    JSON_LINES,
    _JsonLines,
    "Each line is a JSON object with the same values as in the other responses of this API.",
)


@router.get(
    "/api/ota/batches/{batch_id}/tickets",
    summary="Export the tickets of a batch in the format of the Accept header",
    description=f"{_ALL} Send `Accept: text/csv` or `application/x-ndjson`. If both are equally acceptable, the response is "
    f"{JSON_LINES.name}.",
    response_description="One line per ticket",
    response_class=_JsonLines,
    response_model=None,
    responses=_content(JSON_LINES, CSV) | _DOCUMENTED | documented(NoFormatAccepted),
)
async def batch_tickets(
    call: Annotated[Call, partner_with("tickets:read")], batch_id: BatchId, status: StatusFilter = None
) -> Stream:
    """Return the tickets in the accepted format. The description above is the public text."""
    forms = {form.media_type: form for form in (JSON_LINES, CSV)}
    media_type = preferred(header_list(call.scope, b"accept"), list(forms))
    if media_type is None:
        raise NoFormatAccepted(" or ".join(forms))
    return _stream(call, forms[media_type], batch_id, status, {"Vary": "Accept, Accept-Encoding"})
