"""Back up a database while it is in use."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from premade.postgres.backup import backup_sql as sql
from premade.postgres.backup.archive import count_rows
from premade.postgres.backup.contents import Report, TableContents, contents_of, session
from premade.postgres.backup.errors import BackupFailed
from premade.postgres.backup.manifest import Manifest, sha256_of, size_of
from premade.postgres.backup.programs import (
    Programs,
    major_version,
    programs_for_dump,
    run_program,
    without_password,
)
from premade.postgres.database import Transaction
from premade.runtime.clock import rfc3339

_BEGINS_A_TABLE = "dumping contents of table"


async def back_up(dsn: str, file: Path, report: Report) -> Manifest:
    """Dump the database into `file`, which exists and is empty. Return the manifest.

    The dump and the manifest show the same snapshot. Sales go on meanwhile; only changes of the schema wait.

    Raises:
        BackupFailed: the database has no tables of premade, or the file does not have what the database has.
        ProgramUnusable: no pg_dump fits the server, or it failed.
    """
    async with session(dsn) as connection:
        info = connection.info
        server_version = major_version(info.server_version)
        programs = programs_for_dump(server_version)
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        async with connection.transaction():
            tx = Transaction(connection)
            if not await tx.fetch_one(sql.has_schema):
                raise BackupFailed("nothing_to_back_up")
            snapshot = await tx.fetch_one(sql.export_snapshot)
            assert snapshot is not None
            migrations = await tx.fetch_all(sql.applied_migrations)
            tables = len(await tx.fetch_all(sql.tables))
            # The DSN may name several servers. Only this one has the snapshot.
            same_server = make_conninfo(dsn, host=info.host, port=info.port, hostaddr=info.hostaddr or None)
            _dump(programs, same_server, snapshot.snapshot, file, tables, report)
            contents = await contents_of(connection, report)
    _check(programs, file, contents, report)
    return Manifest(
        manifest_version=1,
        taken_at=rfc3339(snapshot.taken_at),
        premade_version=version("premade"),
        server_version=server_version,
        pg_dump_version=programs.version,
        migrations=migrations,
        dump_bytes=size_of(file),
        dump_sha256=sha256_of(file, lambda _: None),
        tables=contents,
    )


def _check(programs: Programs, file: Path, contents: Mapping[str, TableContents], report: Report) -> None:
    """Check that the file can be read to its end, and has as many rows of each table as the database."""
    rows = count_rows(programs, file, len(contents), report)
    if rows != {name: table.rows for name, table in contents.items()}:
        raise BackupFailed("dump_incomplete")


def _dump(programs: Programs, dsn: str, snapshot: str, file: Path, tables: int, report: Report) -> None:
    address, password = without_password(dsn)
    command = [programs.folder / "pg_dump", "--format=custom", "--verbose", f"--snapshot={snapshot}"]
    begun = 0

    def count_tables(message: str) -> None:
        nonlocal begun
        if _BEGINS_A_TABLE in message:
            report("Write the dump", begun, tables)
            begun += 1

    run_program([*command, f"--file={file}", f"--dbname={address}"], password, count_tables)
