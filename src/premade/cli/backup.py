"""`premade backup`."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from premade.bootstrap import embedded_or_named, require_database
from premade.cli.atomic_files import AtomicFiles
from premade.cli.output import AsJson, show_one
from premade.cli.progress import steps
from premade.postgres.backup.dump import back_up
from premade.postgres.backup.manifest import Manifest, manifest_as_json, manifest_path
from premade.postgres.pooler import require_own_sessions
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.runtime.logging import log_warnings_only
from premade.runtime.settings import Settings
from premade.texts.fields import field_text


@dataclass(frozen=True)
class BackupFiles:
    """The files of a backup, and what they contain."""

    file: str
    manifest: str
    taken_at: str
    bytes: int
    tables: int
    rows: int


def backup(
    file: Annotated[
        Path,
        typer.Argument(
            help="Name of the new file, or a folder. In a folder the file is named after the time."
        ),
    ] = Path(),
    *,
    as_json: AsJson = False,
) -> None:
    """Back up the database to a file that only its owner can read."""
    log_warnings_only()
    settings = Settings()
    require_database(settings)
    dump = _new_file(file, Runtime(settings.zone).now())
    with embedded_or_named(settings) as dsn:
        require_own_sessions(dsn)
        manifest = _back_up(dsn, dump, is_quiet=as_json)
    files = BackupFiles(
        str(dump),
        str(manifest_path(dump)),
        manifest.taken_at,
        manifest.dump_bytes,
        len(manifest.tables),
        manifest.rows,
    )
    show_one(files, as_json=as_json)


def _new_file(file: Path, now: datetime) -> Path:
    """Return the name of the dump. Raises Invalid: it or its manifest exists."""
    dump = file / f"premade-{now:%Y%m%dT%H%M%SZ}.dump" if file.is_dir() else file
    for path in (dump, manifest_path(dump)):
        if path.exists():
            raise Invalid([FieldError("file", field_text("option.backup_exists", path=path))])
    return dump


def _back_up(dsn: str, dump: Path, *, is_quiet: bool) -> Manifest:
    with AtomicFiles(dump) as dumps, AtomicFiles(manifest_path(dump)) as manifests:
        part, manifest_part = dumps.begin(), manifests.begin()
        part_path = Path(part.name)
        with steps(part_path, is_quiet=is_quiet) as report:
            manifest = asyncio.run(back_up(dsn, part_path, report))
        manifest_part.write(manifest_as_json(manifest))
        # The dump gets its name last: a dump always has its manifest.
        manifests.finish()
        dumps.finish()
    return manifest
