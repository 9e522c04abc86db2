"""`premade export`."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from premade.audit.actors import COMMAND_ACTOR
from premade.catalog.product_input import NAME_CHARACTERS_MAX
from premade.cli.atomic_files import AtomicFiles
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.export.formats import FORMATS, FileOptions, options_in_words
from premade.export.layout import PER_PAGE, PaperSize
from premade.export.rows import (
    NOT_OVER,
    Export,
    Exporter,
    NothingToPrint,
    TicketsToExport,
    read_export,
    record_export,
)
from premade.partners.partner import partner_named
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.tickets.ticket import Status
from premade.values.texts import cleaned, one_line

STANDARD_OUTPUT = "-"


class Format(StrEnum):
    """Values of `--format`. The registry of formats describes them."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON_LINES = "jsonl"
    PDF = "pdf"
    PNG = "png"


PRINTED = frozenset(
    Format(export_format.option) for export_format in FORMATS.values() if export_format.is_printed
)


@dataclass(frozen=True)
class ExportedFiles:
    """Names of the written files, and the number of tickets in them."""

    files: list[str]
    tickets: int


@dataclass(frozen=True)
class ExportOptions:
    """Options of the command. `statuses` None: tickets in every state."""

    partner: str
    batch_id: str
    form: Format
    output: str
    statuses: tuple[Status, ...] | None
    paper: PaperSize
    per_page: int
    logo: Path | None
    name: str | None
    is_plain: bool

    def checked(self) -> Self:
        """Return the options with the name normalized. Raises Invalid with all options that do not fit together."""
        wrong: list[FieldError] = []
        if self.per_page not in PER_PAGE:
            wrong.append(
                FieldError(
                    "per-page", field_text("general.either_of", choices=" or ".join(map(str, PER_PAGE)))
                )
            )
        if self.logo is not None and self.form is not Format.PDF:
            wrong.append(FieldError("logo", field_text("option.logo_without_pdf")))
        if self.name is not None and self.form is not Format.PDF:
            wrong.append(FieldError("name", field_text("option.name_without_pdf")))
        name = None
        try:
            name = None if self.name is None else one_line(self.name, NAME_CHARACTERS_MAX)
        except ValueError as error:
            wrong.append(FieldError("name", str(error)))
        if self.is_plain and self.form is not Format.CSV:
            wrong.append(FieldError("plain", field_text("option.plain_without_csv")))
        if self.output == STANDARD_OUTPUT:
            if self.form is Format.PDF:
                wrong.append(FieldError("output", field_text("option.sheets_to_output")))
            elif self.form in {Format.XLSX, Format.PNG} and sys.stdout.isatty():
                wrong.append(FieldError("output", field_text("option.binary_to_terminal", format=self.form)))
        if wrong:
            raise Invalid(wrong)
        return replace(self, name=name)


def export(
    batch: Annotated[str, typer.Argument(help="Batch id.")],
    *,
    partner: Annotated[str, typer.Option(help="Partner of the batch.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help=f"Tables: {options_in_words(is_printed=False)}. To print: {options_in_words(is_printed=True)}.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="File name; '-' for standard output. Several PDFs are numbered: FILE-1.pdf.",
        ),
    ],
    status: Annotated[
        list[Status] | None,
        typer.Option(
            help="Only tickets in this state. Repeat for several. Default: all states; to print, PRE_GENERATED and ACTIVE."
        ),
    ] = None,
    paper: Annotated[PaperSize, typer.Option(help="Paper size of the sheets.")] = PaperSize.A4,
    per_page: Annotated[
        int, typer.Option(help=f"Tickets per sheet: {' or '.join(map(str, PER_PAGE))}.")
    ] = PER_PAGE[0],
    logo: Annotated[Path | None, typer.Option(help="Logo for the sheets, PNG or JPEG.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name on the sheets instead of the product's name.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="CSV for a program: exact values, no byte order mark. Without this option the CSV is for a spreadsheet. It has "
            "the mark, and an apostrophe before text that would run as a formula.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export the tickets of a batch to a file, or to standard output."""
    statuses = tuple(status) if status else None
    if statuses is None and form in PRINTED:
        statuses = NOT_OVER
    options = ExportOptions(
        partner, cleaned(batch), form, output, statuses, paper, per_page, logo, name, plain
    ).checked()
    exported = operate(lambda database, runtime: _export(database, runtime, options, is_quiet=as_json))
    if output != STANDARD_OUTPUT:
        show_one(exported, as_json=as_json)


async def _export(
    database: Database, runtime: Runtime, options: ExportOptions, *, is_quiet: bool
) -> ExportedFiles:
    async with database.single_statement() as tx:
        owner = await partner_named(tx, options.partner)
    selection = TicketsToExport(owner.partner_id, options.batch_id, options.statuses)
    await record_export(database, runtime, selection, Exporter(COMMAND_ACTOR, None), form=options.form.value)
    columns = (TextColumn("Tickets"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=is_quiet or not console.is_terminal, transient=True
    ) as progress:
        bar = progress.add_task("Tickets", total=None)

        def report(tickets: int) -> None:
            progress.advance(bar, tickets)

        def begin(export: Export) -> None:
            progress.update(bar, total=export.batch.tickets)
            if options.form in PRINTED and not export.batch.tickets:
                raise NothingToPrint(options.batch_id, " or ".join(options.statuses or Status))

        if options.form is Format.PDF:
            return await _sheets(database, selection, options, begin, report)
        return await _one_file(database, runtime, selection, options, begin, report)


async def _one_file(
    database: Database,
    runtime: Runtime,
    selection: TicketsToExport,
    options: ExportOptions,
    begin: Callable[[Export], None],
    report: Callable[[int], None],
) -> ExportedFiles:
    if options.output == STANDARD_OUTPUT:
        async with read_export(database, selection) as export:
            begin(export)
            try:
                await _write(export, sys.stdout.buffer, options, runtime, report)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                # The reader has closed the pipe. Python flushes at exit, so standard output must lead somewhere.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(1) from None
        return ExportedFiles([], export.batch.tickets)
    with AtomicFiles(Path(options.output)) as files:
        async with read_export(database, selection) as export:
            begin(export)
            await _write(export, files.begin(), options, runtime, report)
        return ExportedFiles([str(name) for name in files.finish()], export.batch.tickets)


async def _write(
    export: Export, out: BinaryIO, options: ExportOptions, runtime: Runtime, report: Callable[[int], None]
) -> None:
    names = {Format.PNG: "zip", Format.CSV: "csv-plain" if options.is_plain else "csv"}
    chosen = FORMATS[names.get(options.form, options.form.value)]
    await chosen.write(export, out, FileOptions(runtime.now()), report)


async def _sheets(
    database: Database,
    selection: TicketsToExport,
    options: ExportOptions,
    begin: Callable[[Export], None],
    report: Callable[[int], None],
) -> ExportedFiles:
    """Write each file in a separate read, because drawing takes longer than a read may last."""
    from premade.export.as_sheets import (  # noqa: PLC0415  (as above)
        TICKETS_A_FILE_MAX,
        design,
        write_sheets,
    )
    from premade.export.logo import read_logo  # noqa: PLC0415

    logo = None if options.logo is None else read_logo(options.logo)
    look, tickets, after_code = None, 0, ""
    with AtomicFiles(Path(options.output)) as files:
        while True:
            portion = TicketsToExport(
                selection.partner_id, selection.batch_id, selection.statuses, after_code, TICKETS_A_FILE_MAX
            )
            async with read_export(database, portion) as export:
                if look is None:
                    begin(export)
                    _require_printable(options.name or export.batch.product_name)
                    look = design(export.batch, options.paper, options.per_page, logo, options.name)
                drawn, after_code = await write_sheets(export, files.begin, look, report)
            tickets += drawn
            if drawn < TICKETS_A_FILE_MAX:
                break
        names = [str(name) for name in files.finish()]
    return ExportedFiles(names, tickets)


def _require_printable(name: str) -> None:
    from premade.export.letters import NameNotPrintable, require_printable  # noqa: PLC0415

    try:
        require_printable(name)
    except NameNotPrintable as error:
        raise NameNotPrintable(error.characters, "name_with_option") from None
