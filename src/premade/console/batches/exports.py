"""Exports of a batch's tickets: tables, QR pictures and sheets to print. Each export is recorded in the audit record."""

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import BinaryIO

from starlette.responses import Response

from premade.catalog.product_input import NAME_CHARACTERS_MAX
from premade.console.batches.export_choices import (
    NAME_ON_SHEETS,
    PRINTED,
    TABLES,
    TICKETS_A_FILE_MAX,
    WHICH,
    name_of_file,
)
from premade.console.batches.shown_batch import BATCH
from premade.console.rendering import HEADERS
from premade.console.routing import Page, StaffRequest
from premade.console.url_params import partner_id_param
from premade.export.formats import FORMATS, ExportFormat, FileOptions
from premade.export.rows import Export, Exporter, NothingToPrint, TicketsToExport, part_of
from premade.export.text import Exports, recorded
from premade.http.negotiation import header_list, takes_gzip
from premade.http.streaming import Stream, begin_answer
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.texts.fields import field_text
from premade.values.texts import one_line

PARTS_MAX = 999
_PART = re.compile("[1-9][0-9]{0,2}")


async def _export(request: StaffRequest) -> Response:
    form, which = request.form.get("format", ""), request.form.get("which", "all")
    part, title = request.form.get("part", "1"), request.form.get(NAME_ON_SHEETS, "").strip()
    wrong: list[FieldError] = []
    if form not in TABLES | PRINTED:
        wrong.append(FieldError("format", field_text("general.one_of", choices=", ".join(TABLES | PRINTED))))
    if which not in WHICH:
        wrong.append(FieldError("which", field_text("general.one_of", choices=", ".join(WHICH))))
    if not _PART.fullmatch(part):
        wrong.append(FieldError("part", field_text("general.range", least=1, most=PARTS_MAX)))
    try:
        title = one_line(title, NAME_CHARACTERS_MAX) if title else ""
    except ValueError as error:
        wrong.append(FieldError(NAME_ON_SHEETS, str(error)))
    if wrong:
        raise Invalid(wrong)
    if form in PRINTED:
        request.require(Right.SEE_QR)
    tickets = TicketsToExport(
        partner_id_param(request) or 0,
        request.query("batch"),
        WHICH[which][1],
        has_tokens=request.member.may(Right.SEE_QR),
    )
    if form in PRINTED:
        tickets = await part_of(request.database, tickets, int(part), TICKETS_A_FILE_MAX)
    is_part = form in PRINTED and (int(part) > 1 or tickets.last_code is not None)
    return await _answer(request, tickets, form, title, int(part) if is_part else None)


async def _answer(
    request: StaffRequest, tickets: TicketsToExport, form: str, title: str, part: int | None
) -> Response:
    name = name_of_file(tickets.batch_id, form, request.form.get("which", "all"), part)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}

    async def record() -> None:
        exporter = Exporter(request.member.actor, request.request_id)
        await request.use(Exports).record(tickets, exporter, form=form, part=part)

    stream = _stream(request, tickets, form, title, headers)
    return await begin_answer(replace(stream, pieces=recorded(stream.pieces, record)))


def _stream(
    request: StaffRequest, tickets: TicketsToExport, form: str, title: str, headers: dict[str, str]
) -> Stream:
    exports = request.use(Exports)

    def place() -> AbstractAsyncContextManager[None]:
        return exports.place_of_staff(request.member.staff_id)

    chosen = FORMATS[form]
    if chosen.text is not None:
        accepted = header_list(request.http.scope, b"accept-encoding")
        return Stream(
            exports.pieces(chosen.text, tickets, for_staff=True),
            chosen.media_type,
            {**headers, "Vary": "Accept-Encoding"},
            is_compressed=takes_gzip(accepted, default=False),
            place=place,
        )
    options = FileOptions(request.runtime.now(), title)

    async def write(export: Export, out: BinaryIO) -> None:
        await _write(chosen, export, out, options)

    pieces = exports.pieces_of_file(write, tickets)
    return Stream(pieces, chosen.media_type, headers, is_compressed=False, place=place)


async def _write(chosen: ExportFormat, export: Export, out: BinaryIO, options: FileOptions) -> None:
    written = 0

    def count(tickets: int) -> None:
        nonlocal written
        written += tickets

    await chosen.write(export, out, options, count)
    if chosen.is_printed and not written:
        raise NothingToPrint(export.batch.batch_id)


PAGES = [Page(f"{BATCH}/export", send=_export, right=Right.EXPORT_TICKETS)]
