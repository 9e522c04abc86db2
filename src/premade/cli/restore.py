"""`premade restore`."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import DatabaseRestoration
from premade.bootstrap import bring_up_to_date, embedded_or_named
from premade.cli.output import AsJson, show_one
from premade.cli.progress import steps
from premade.cli.restored import ClockLead
from premade.postgres.backup.archive import ArchiveList, is_archive, read_list
from premade.postgres.backup.contents import Report
from premade.postgres.backup.errors import RestoreFailed
from premade.postgres.backup.load import Load, analyse, check_contents, check_file, load
from premade.postgres.backup.manifest import Manifest, manifest_path, read_manifest
from premade.postgres.backup.programs import newest_programs
from premade.postgres.backup.target import restore_target
from premade.postgres.database import open_database
from premade.postgres.migrations import migrate
from premade.postgres.pooler import require_own_sessions
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.runtime.logging import log_warnings_only
from premade.runtime.settings import Settings
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.tickets.incarnation import BY_RESTORE, begin_incarnation


@dataclass(frozen=True)
class RestoreOptions:
    """Options of the command."""

    file: Path
    replaces: bool
    with_privileges: bool
    clock_lead_seconds: int


@dataclass(frozen=True)
class RestoreResult:
    """Result of a restore."""

    file: str
    taken_at: str | None
    """Everything later is lost. None: the backup has no manifest."""
    rows: int
    verified: bool
    """Whether the rows were compared with the manifest."""
    migrations: list[str]
    """Migrations that the backup lacked. They are applied now."""
    signing_keys: list[str]
    clock_lead_seconds: int
    previous_database: str | None
    """The replaced database."""
    next: str


def restore(
    file: Annotated[
        Path, typer.Argument(help="Backup by `premade backup`, or a custom-format dump by pg_dump.")
    ],
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Restore although the database has data. It is kept under another name until you drop it.",
        ),
    ] = False,
    without_manifest: Annotated[
        bool, typer.Option("--without-manifest", help="Restore a dump that cannot be verified.")
    ] = False,
    no_privileges: Annotated[
        bool, typer.Option("--no-privileges", help="Leave out the rights of other roles.")
    ] = False,
    clock_lead: ClockLead = 0,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty database, or into a new one that replaces the database."""
    log_warnings_only()
    settings = Settings()
    runtime = Runtime(settings.zone)
    options = RestoreOptions(file, replace, not no_privileges, clock_lead)
    notes: list[str] = []
    with steps(file, is_quiet=as_json) as report:
        manifest, archive = _read(file, report, without_manifest=without_manifest)
        with embedded_or_named(settings) as dsn:
            require_own_sessions(dsn)
            restored = asyncio.run(_restore(dsn, runtime, options, manifest, archive, report, notes))
    for note in notes:
        typer.echo(note, err=True)
    show_one(restored, as_json=as_json)


def _read(file: Path, report: Report, *, without_manifest: bool) -> tuple[Manifest | None, ArchiveList]:
    """Check the files of the backup before the database is touched."""
    if not file.is_file() or not is_archive(file):
        raise Invalid([FieldError("file", field_text("option.not_a_backup", path=file))])
    manifest = None if without_manifest else read_manifest(file)
    if manifest is not None:
        check_file(file, manifest, report)
    elif not without_manifest:
        raise RestoreFailed("no_manifest", path=manifest_path(file))
    return manifest, read_list(newest_programs(), file)


async def _restore(
    dsn: str,
    runtime: Runtime,
    options: RestoreOptions,
    manifest: Manifest | None,
    archive: ArchiveList,
    report: Report,
    notes: list[str],
) -> RestoreResult:
    """Restore, and add to `notes` what the operator should do about the data."""
    async with restore_target(dsn, runtime.now(), replaces=options.replaces) as target:
        how = Load(in_one_transaction=target.previous is None, with_privileges=options.with_privileges)
        load(target, options.file, archive, report, how)
        rows = await check_contents(target.dsn, manifest, report)
        report("Prepare", 0, None)
        await analyse(target.dsn)
        migrations = migrate(target.dsn, notes.append)
        event = await _begin_incarnation(target.dsn, runtime, options.clock_lead_seconds)
        # In another thread, because it starts an event loop.
        await asyncio.to_thread(bring_up_to_date, target.dsn, runtime, None, notes.append)
    return RestoreResult(
        str(options.file),
        None if manifest is None else manifest.taken_at,
        rows,
        manifest is not None,
        migrations,
        event.signing_key_ids,
        event.clock_lead_seconds,
        target.previous,
        command_text(RestoreFailed.code, "what_next"),
    )


async def _begin_incarnation(dsn: str, runtime: Runtime, clock_lead_seconds: int) -> DatabaseRestoration:
    """Let codes, ids and cursors continue beyond everything that the backup does not know."""
    async with open_database(dsn, connections_max=1) as database:
        return await begin_incarnation(
            database,
            runtime,
            clock_lead_seconds=clock_lead_seconds,
            actor=COMMAND_ACTOR,
            noticed_by=BY_RESTORE,
        )
