"""Load a dump into a database, and compare the result with the manifest."""

from dataclasses import dataclass
from pathlib import Path

from premade.postgres.backup import backup_sql as sql
from premade.postgres.backup.archive import ArchiveList
from premade.postgres.backup.contents import Report, contents_of, session
from premade.postgres.backup.errors import RestoreFailed
from premade.postgres.backup.manifest import Manifest, manifest_path, sha256_of, size_of
from premade.postgres.backup.programs import (
    Programs,
    output_of,
    programs_for_restore,
    run_program,
    run_script,
    without_password,
)
from premade.postgres.backup.target import Target
from premade.postgres.database import Transaction
from premade.postgres.migrations import migrations

_TABLES_NAMED_MAX = 3
_TRANSACTION_TIMEOUT = b"SET transaction_timeout = 0;\n"
_ENTRIES = ("creating ", "processing data for ", "executing ")
"""How the messages of pg_restore begin, one for each entry of the dump."""


def check_file(file: Path, manifest: Manifest, report: Report) -> None:
    """Check that the dump is the one that the manifest describes.

    Raises:
        RestoreFailed: it is not, or its schema is newer than this version of premade.
    """
    step = "Check the file"
    actual_bytes = size_of(file)
    is_same = actual_bytes == manifest.dump_bytes and manifest.dump_sha256 == sha256_of(
        file, lambda read: report(step, read, actual_bytes)
    )
    if not is_same:
        raise RestoreFailed("file_changed", file=file, manifest=manifest_path(file).name)
    _require_known(manifest.migrations, manifest.premade_version)


@dataclass(frozen=True)
class Load:
    """How to load a dump. `in_one_transaction`: a failure changes nothing. Otherwise two processes load at once."""

    in_one_transaction: bool
    with_privileges: bool


def load(target: Target, file: Path, archive: ArchiveList, report: Report, how: Load) -> None:
    """Load the dump into an empty database. Its objects belong to the connecting role.

    Raises:
        ProgramUnusable: no installed pg_restore can do that, or it failed.
    """
    programs = programs_for_restore(target.server_version, archive.dumped_by)
    options = ["--no-owner", *([] if how.with_privileges else ["--no-privileges"])]
    if programs.needs_script(target.server_version):
        _load_by_script(programs, target.dsn, file, options, report)
        return
    address, password = without_password(target.dsn)
    options += ["--exit-on-error", "--verbose"]
    options.append("--single-transaction" if how.in_one_transaction else "--jobs=2")
    loaded = 0

    def count_entries(message: str) -> None:
        nonlocal loaded
        if message.removeprefix("pg_restore: ").startswith(_ENTRIES):
            report("Load", loaded, archive.entries)
            loaded += 1

    run_program(
        [programs.folder / "pg_restore", *options, f"--dbname={address}", file], password, count_entries
    )


def _load_by_script(programs: Programs, dsn: str, file: Path, options: list[str], report: Report) -> None:
    """Load with psql, in one transaction, without the setting that the server does not know."""
    address, password = without_password(dsn)
    psql = [
        programs.folder / "psql",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--single-transaction",
    ]
    report("Load", 0, None)
    with output_of([programs.folder / "pg_restore", *options, "--file=-", file]) as script:
        lines = (line for line in script if line != _TRANSACTION_TIMEOUT)
        run_script([*psql, "--file=-", f"--dbname={address}"], password, lines)


async def check_contents(dsn: str, manifest: Manifest | None, report: Report) -> int:
    """Compare the loaded database with the manifest. Return the number of its rows.

    Raises:
        RestoreFailed: they differ, or the schema is newer than this version of premade.
    """
    async with session(dsn) as connection:
        tx = Transaction(connection)
        if not await tx.fetch_one(sql.has_schema):
            raise RestoreFailed("not_of_premade")
        if manifest is None:
            _require_known(await tx.fetch_all(sql.applied_migrations), "a newer version")
        contents = await contents_of(connection, report)
    if manifest is not None and (differing := manifest.differences(contents)):
        tables = ", ".join(differing[:_TABLES_NAMED_MAX])
        raise RestoreFailed("contents_differ", number=len(differing), tables=tables)
    return sum(table.rows for table in contents.values())


async def analyse(dsn: str) -> None:
    """Collect statistics of all tables, which a dump does not have."""
    async with session(dsn) as connection:
        await connection.execute(b"ANALYZE")


def _require_known(applied: list[str], made_by: str) -> None:
    known = {migration.name for migration in migrations()}
    if unknown := [name for name in applied if name not in known]:
        raise RestoreFailed("newer_schema", made_by=made_by, migrations=", ".join(unknown))
