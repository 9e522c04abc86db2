"""`premade archive`: move audit events of closed months to compressed files; list, search, verify and restore these files."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from premade.audit.events import EventsArchived, EventsRestored
from premade.audit.record import record
from premade.bootstrap import ready_database, require_database
from premade.cli.atomic_files import AtomicFiles
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.cli.progress import steps
from premade.partners.partner import partner_id_of
from premade.postgres.backup.contents import Report
from premade.postgres.database import Transaction
from premade.postgres.event_archive.archive_sql import ArchivedMonth
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.manifest import (
    ArchiveManifest,
    events_path,
    manifest_as_json,
    manifest_path,
    months_in,
    read_manifest,
)
from premade.postgres.event_archive.move import (
    ClosedPartition,
    closed_partitions,
    remove_partition,
    write_month,
)
from premade.postgres.event_archive.partitions import ArchiveSession, archive_session, archived_months
from premade.postgres.event_archive.restore import restore_month
from premade.postgres.event_archive.search import search_month
from premade.postgres.event_archive.verify import read_verified
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.runtime.logging import log_warnings_only
from premade.runtime.month import Month
from premade.runtime.settings import Settings
from premade.texts.commands import command_text
from premade.texts.fields import field_text

Result = TypeVar("Result")
app = typer.Typer(
    help="Move audit events of closed months from the database to compressed files. Search, verify and restore these files.",
    invoke_without_command=True,
)

From = Annotated[
    Path | None,
    typer.Option("--from", help="Folder of the files; otherwise 'archive' in PREMADE_DATA_DIR."),
]


@dataclass(frozen=True)
class MonthToMove:
    """A row of the preview, for one month."""

    month: str
    events: int
    file: str


@dataclass(frozen=True)
class MovedMonth:
    """A row of the result of a move, for one month."""

    month: str
    events: int
    bytes: int
    file: str


@dataclass(frozen=True)
class MonthState:
    """A row of `premade archive list`."""

    month: str
    events: int | None
    """None: neither the database nor the manifest says it."""
    bytes: int | None
    """None: the file is missing."""
    place: str
    """Where its events are: `archive`, `database and archive`, or `missing` if the archive's file is not there."""
    archived_at: datetime | None
    fault: str | None
    """What is wrong with its manifest."""


@dataclass(frozen=True)
class Verification:
    """A row of `premade archive verify`."""

    month: str
    events: int | None
    result: str
    """`ok`, or what is wrong."""


@app.callback()
def archive(
    context: typer.Context,
    *,
    before: Annotated[
        str | None, typer.Option(help="Move all months before this one, such as 2026-01.", metavar="YYYY-MM")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Folder for the files; otherwise 'archive' in PREMADE_DATA_DIR."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be moved. Move nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move closed months to files, or show with `--dry-run` what would be moved."""
    if context.invoked_subcommand is not None:
        return
    if before is None:
        raise Invalid([FieldError("before", field_text("option.archive_before"))])
    first_kept, folder = _month("before", before), _folder(into)

    async def move(dsn: str, runtime: Runtime, settings: Settings) -> None:
        async with archive_session(dsn) as connection:
            now = runtime.now()
            closed = await closed_partitions(connection, first_kept, now, settings.offline_scan_days)
            months = [
                MonthToMove(str(month), events, str(events_path(folder, month)))
                for each in closed
                for month, events in each.months.items()
            ]
            if dry_run or not closed:
                show_rows(months, as_json=as_json)
                return
            if not yes:
                _ask(months, as_json=as_json)
            _create(folder)
            moved: list[MovedMonth] = []
            with steps(None, is_quiet=as_json) as report:
                for each in closed:
                    moved += await _move(connection, each, folder, now, report)
            show_rows(moved, as_json=as_json)

    _run(move)


async def _move(
    connection: ArchiveSession, closed: ClosedPartition, folder: Path, now: datetime, report: Report
) -> list[MovedMonth]:
    """Write the files that are missing, and remove the partition."""
    for month in closed.months:
        path = events_path(folder, month)
        # A file that exists is from an interrupted run, or its month was restored. `remove_partition` compares its events.
        if not path.exists():
            _remove_unfinished(path)
            _remove_unfinished(manifest_path(folder, month))
            with AtomicFiles(path) as events, AtomicFiles(manifest_path(folder, month)) as manifests:
                part, manifest_part = events.begin(), manifests.begin()
                manifest = await write_month(connection, closed, month, part, report)
                manifest_part.write(manifest_as_json(manifest))
                # The file of events gets its name last, so it always has a manifest.
                manifests.finish()
                events.finish()

    async def record_move(tx: Transaction, month: Month, events: int) -> None:
        await record(tx, EventsArchived(month=str(month), events=events), now, partner_id=None)

    manifests = await remove_partition(connection, closed, folder, now, report, record_move)
    return [
        MovedMonth(each.month, each.rows, each.file_bytes, str(events_path(folder, Month.read(each.month))))
        for each in manifests
    ]


def _remove_unfinished(path: Path) -> None:
    """Remove the temporary files that a killed run left for this file. Only one command at a time writes it."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


def _ask(months: list[MonthToMove], *, as_json: bool) -> None:
    what = command_text(
        "PROGRESS", "archive_preview", months=len(months), events=sum(month.events for month in months)
    )
    if as_json:
        raise Invalid([FieldError("yes", field_text("option.confirm_archive", what=what))])
    show_rows(months, as_json=False)
    typer.confirm(command_text("PROGRESS", "archive_question", what=what), abort=True)


@app.command(name="list", help="List the archived months.")
def list_all(*, source: From = None, as_json: AsJson = False) -> None:
    """List the archived months."""
    folder = _folder(source)

    async def states(dsn: str, _: Runtime, __: Settings) -> list[MonthState]:
        rows = await archived_months(dsn)
        on_disk = set(months_in(folder))
        return [
            _state(folder, month, rows.get(month), has_file=month in on_disk)
            for month in sorted(on_disk | rows.keys())
        ]

    show_rows(_run(states), as_json=as_json)


def _state(folder: Path, month: Month, row: ArchivedMonth | None, *, has_file: bool) -> MonthState:
    events, fault = None, None
    if has_file:
        try:
            events = read_manifest(folder, month).rows
        except ArchiveFailed as error:
            fault = str(error)
    return MonthState(
        str(month),
        row.rows if row else events,
        events_path(folder, month).stat().st_size if has_file else None,
        _place(is_archived=row is not None, has_file=has_file),
        row.archived_at if row else None,
        fault,
    )


def _place(*, is_archived: bool, has_file: bool) -> str:
    if is_archived:
        return "archive" if has_file else "missing"
    return "database and archive"


@app.command(help="Search the archived events. Conditions are combined with 'and'.")
def search(
    *,
    ticket: Annotated[str | None, typer.Option(help="Ticket code.")] = None,
    order: Annotated[str | None, typer.Option(help="Order id.")] = None,
    batch: Annotated[str | None, typer.Option(help="Batch id.")] = None,
    partner: Annotated[str | None, typer.Option(help="Name of the partner. Needs the database.")] = None,
    event: Annotated[str | None, typer.Option(help="Kind of event, such as ticket.cancelled.")] = None,
    month: Annotated[
        str | None, typer.Option(help="Only this month, such as 2025-12.", metavar="YYYY-MM")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of events.")] = 1_000,
    source: From = None,
    as_json: AsJson = False,
) -> None:
    """Search the archived events."""
    folder = _folder(source)
    values: dict[str, str | int] = {
        name: value
        for name, value in (
            ("ticket_code", ticket),
            ("order_id", order),
            ("batch_id", batch),
            ("event", event),
        )
        if value is not None
    }
    if partner is not None:
        values["partner_id"] = operate(lambda database, _: partner_id_of(database, partner))
    if not values:
        raise Invalid([FieldError("ticket", field_text("option.archive_search"))])
    months = months_in(folder) if month is None else [_month("month", month)]
    if not months:
        raise ArchiveFailed("no_files", folder=folder)
    found: list[dict[str, Any]] = []
    with steps(None, is_quiet=as_json) as report:
        for number, each in enumerate(months):
            report("Search", number, len(months))
            found += islice(search_month(folder, each, values), limit - len(found))
    if len(found) == limit:
        typer.echo(command_text("PROGRESS", "archive_limit", limit=limit), err=True)
    if as_json or not found:
        show_rows(found, as_json=as_json)
        return
    for number, row in enumerate(found):
        if number:
            typer.echo()
        show_one(_shown(row), as_json=False)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns and data of an event that are of use to people, without empty ones."""
    names = ("occurred_at", "event", "event_id", "actor", "partner_id", "batch_id", "ticket_code", "order_id")
    return {**{name: row[name] for name in names if row[name] is not None}, **row["data"]}


@app.command(help="Restore a month from its file into the database. The file stays.")
def restore(
    month: Annotated[str, typer.Argument(help="Month, such as 2025-12.")],
    *,
    source: From = None,
    as_json: AsJson = False,
) -> None:
    """Restore a month from its file into the database."""
    folder, chosen = _folder(source), _month("month", month)

    async def load(dsn: str, runtime: Runtime, _: Settings) -> ArchiveManifest:
        async def record_restore(tx: Transaction, which: Month, events: int) -> None:
            await record(tx, EventsRestored(month=str(which), events=events), runtime.now(), partner_id=None)

        row = (await archived_months(dsn)).get(chosen)
        with steps(events_path(folder, chosen), is_quiet=as_json) as report:
            manifest = read_verified(folder, chosen, row, report)
            async with archive_session(dsn) as connection:
                await restore_month(connection, folder, manifest, report, record_restore)
        return manifest

    manifest = _run(load)
    show_one({"month": manifest.month, "events": manifest.rows}, as_json=as_json)


@app.command(help="Read the files completely, and compare them with their manifests and the database.")
def verify(
    month: Annotated[
        str | None, typer.Argument(help="Only this month, such as 2025-12.", metavar="[YYYY-MM]")
    ] = None,
    *,
    source: From = None,
    as_json: AsJson = False,
) -> None:
    """Read the files completely, and compare them with their manifests and the database."""
    folder = _folder(source)

    async def results(dsn: str, _: Runtime, __: Settings) -> list[Verification]:
        rows = await archived_months(dsn)
        chosen = sorted(rows.keys() | set(months_in(folder))) if month is None else [_month("month", month)]
        verified: list[Verification] = []
        for each in chosen:
            with steps(events_path(folder, each), is_quiet=as_json) as report:
                try:
                    manifest = read_verified(folder, each, rows.get(each), report)
                    verified.append(Verification(str(each), manifest.rows, "ok"))
                except ArchiveFailed as error:
                    verified.append(Verification(str(each), None, str(error)))
        return verified

    verified = _run(results)
    show_rows(verified, as_json=as_json)
    if any(each.events is None for each in verified):
        raise typer.Exit(1)


def _month(option: str, text: str) -> Month:
    try:
        return Month.read(text)
    except ValueError as error:
        raise Invalid([FieldError(option, str(error))]) from None


def _folder(chosen: Path | None) -> Path:
    return chosen or Settings().data_dir / "archive"


def _create(folder: Path) -> None:
    """Create the folder, which only its owner can read."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = field_text("option.output_not_written", path=folder, why=error.strerror)
        raise Invalid([FieldError("into", text)]) from None


def _run(action: Callable[[str, Runtime, Settings], Awaitable[Result]]) -> Result:
    """Run the action with the DSN of the database of the settings, which is started if it is the embedded one."""
    log_warnings_only()
    settings = Settings()
    require_database(settings)
    runtime = Runtime(settings.zone)

    async def run(dsn: str) -> Result:
        return await action(dsn, runtime, settings)

    with ready_database(settings, runtime) as dsn:
        return asyncio.run(run(dsn))
