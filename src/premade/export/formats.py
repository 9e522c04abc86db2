"""The formats that staff can export the tickets of a batch in.

A new format is a module with a function like `Write`, and one entry in `FORMATS`. Modules that draw are imported by the
first export that needs them, since that takes half a second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import BinaryIO

from premade.export.as_csv import CSV, SPREADSHEET_CSV
from premade.export.as_jsonl import JSON_LINES
from premade.export.layout import PER_PAGE, PaperSize
from premade.export.rows import Export
from premade.export.text import TextForm, write_text

PDF = "application/pdf"
ZIP = "application/zip"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class FileOptions:
    """Content of a file beside the tickets."""

    made_at: datetime
    title: str = ""
    """Another name than the product's, for sheets."""


Report = Callable[[int], None]
"""Called with the number of tickets after each step."""
Write = Callable[[Export, BinaryIO, FileOptions, Report], Awaitable[None]]


@dataclass(frozen=True)
class ExportFormat:
    """One format of an export."""

    name: str
    """In the forms of the console, in file names and in the audit record. It begins with the suffix of its files."""
    label: str
    """The choice in the console."""
    option: str
    """The value of `premade export --format`. Options of paper and spelling choose between formats with the same value."""
    media_type: str
    write: Write
    text: TextForm | None = None
    """Set if each ticket is a line of text; lines are sent while the rows are read."""
    option_note: str = ""
    """Note in the help of the option."""
    is_printed: bool = False
    """Whether the files consist of QRs, which admit their bearers."""


def _text(name: str, label: str, form: TextForm) -> ExportFormat:
    async def write(export: Export, out: BinaryIO, _: FileOptions, report: Report) -> None:
        await write_text(form, export, out, report)

    return ExportFormat(name, label, form.suffix, f"{form.media_type}; charset=utf-8", write, text=form)


async def _write_xlsx(export: Export, out: BinaryIO, _: FileOptions, report: Report) -> None:
    module = await asyncio.to_thread(import_module, "premade.export.as_xlsx")
    await module.write_xlsx(export, out, report)


async def _write_pictures(export: Export, out: BinaryIO, options: FileOptions, report: Report) -> None:
    module = await asyncio.to_thread(import_module, "premade.export.as_pictures")
    await module.write_pictures(export, out, options.made_at, report)


async def _write_sheets(
    paper: PaperSize, per_page: int, export: Export, out: BinaryIO, options: FileOptions, report: Report
) -> None:
    module = await asyncio.to_thread(import_module, "premade.export.as_sheets")
    design = await asyncio.to_thread(module.design, export.batch, paper, per_page, None, options.title)
    await module.write_sheets(export, lambda: out, design, report)


_REGISTERED = (
    _text("csv", f"Table for a spreadsheet ({SPREADSHEET_CSV.name})", SPREADSHEET_CSV),
    ExportFormat("xlsx", "Workbook (XLSX)", "xlsx", WORKBOOK, _write_xlsx),
    _text("csv-plain", f"Table for a program ({CSV.name}, exact values)", CSV),
    _text("jsonl", JSON_LINES.name, JSON_LINES),
    *(
        ExportFormat(
            f"pdf-{paper}-{per_page}",
            f"Sheets to print, {paper.title()}, {per_page} a page (PDF)",
            "pdf",
            PDF,
            partial(_write_sheets, paper, per_page),
            option_note="sheets",
            is_printed=True,
        )
        for paper in PaperSize
        for per_page in PER_PAGE
    ),
    ExportFormat(
        "zip", "QR pictures (ZIP)", "png", ZIP, _write_pictures, option_note="in a ZIP", is_printed=True
    ),
)
FORMATS = {each.name: each for each in _REGISTERED}
"""All formats by their names, in the order in which the console offers them."""


def options_in_words(*, is_printed: bool) -> str:
    """Return the values of `--format` for tables or for printing, each with its note: `pdf (sheets)`."""
    notes = {
        export_format.option: export_format.option_note
        for export_format in _REGISTERED
        if export_format.is_printed is is_printed
    }
    return ", ".join(f"{option} ({note})" if note else option for option, note in notes.items())


def file_name(batch_id: str, suffix: str) -> str:
    """Return a file name. A batch id has only characters that a file name can have, but for the colon on Windows."""
    return f"{batch_id.replace(':', '_')}.{suffix}"
