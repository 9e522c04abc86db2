"""Load a dump into a database, and compare the result with the manifest."""

from pathlib import Path

from premade.postgres.backup import backup_sql as sql
from premade.postgres.backup.archive import ArchiveList
from premade.postgres.backup.contents import Report, contents_of, session
from premade.postgres.backup.errors import RestoreFailed
from premade.postgres.backup.manifest import Manifest, manifest_path, sha256_of, size_of
from premade.postgres.backup.programs import Programs, run_program, without_password
from premade.postgres.database import Transaction
from premade.postgres.migrations import migrations

_TABLES_NAMED_MAX = 3
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


def load(
    programs: Programs,
    dsn: str,
    file: Path,
    archive: ArchiveList,
    report: Report,
    *,
    in_one_transaction: bool,
    with_privileges: bool,
) -> None:
    """Load the dump into an empty database. With `in_one_transaction`, a failure changes nothing.

    Otherwise two processes load at once. Objects belong to the connecting role.

    Raises:
        ProgramUnusable: pg_restore failed.
    """
    address, password = without_password(dsn)
    options = ["--no-owner", "--exit-on-error", "--verbose"]
    options.append("--single-transaction" if in_one_transaction else "--jobs=2")
    if not with_privileges:
        options.append("--no-privileges")
    loaded = 0

    def count_entries(message: str) -> None:
        nonlocal loaded
        if message.removeprefix("pg_restore: ").startswith(_ENTRIES):
            report("Load", loaded, archive.entries)
            loaded += 1

    run_program(
        [programs.folder / "pg_restore", *options, f"--dbname={address}", file], password, count_entries
    )


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
