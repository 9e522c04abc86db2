"""Migrations: plain SQL files, applied in the order of their names, each in a transaction of its own.

The first line of a file can say otherwise (see docs/adr/0033-rules-for-migrations.md):
- `-- outside a transaction`: builds or drops indexes CONCURRENTLY.
- `-- in batches`: one statement that changes a bounded number of rows. It is repeated until it changes none.

A file that removes what older versions use says so in its name (`removals.py`).
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.sql import SQL, Identifier

from premade.postgres.removals import newest_removal, numbers_of, older_processes, own_version, removal_of
from premade.runtime.errors import CommandError

MIGRATION_LOCK = 7_214_938_061
"""A PostgreSQL advisory lock: of several processes one migrates, the others wait and find it done."""
MIGRATION_LOCK_EVERY_SECONDS = 0.1
LOCK_TIMEOUT_SECONDS = 2.0
"""Sales queue up behind a migration that waits for a lock, so it waits no longer than this at a time."""
LOCK_PAUSE_SECONDS = 3.0
"""Between two attempts. Sessions that queued up behind the migration go on meanwhile."""
LOCK_WAIT_SECONDS_MAX = 300.0
"""Limit for one file or batch, including all attempts and pauses."""
BATCH_ROWS_MAX = 1000
PROGRESS_EVERY_SECONDS = 10.0
BLOCKERS_EVERY_SECONDS = 0.25
OUTSIDE_A_TRANSACTION = b"-- outside a transaction\n"
IN_BATCHES = b"-- in batches\n"

FIRST_BEFORE_0_1_0 = "0010_partners.sql"
"""The first migration of every database from before version 0.1.0. No later version has a file of this name."""
Result = TypeVar("Result")

_TABLE = b"""
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text CONSTRAINT schema_migrations_pkey PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


_APPLIED = "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)"
_IS_INVALID = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
_CONCURRENT_STATEMENT = re.compile(
    rb"(?:CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS|DROP\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS)"
    rb"\s+([a-z_0-9]+)\b"
)
_BATCH = re.compile(rb"(?:UPDATE|DELETE|INSERT|WITH)\s.*\bLIMIT\s+(\d+)\b", re.DOTALL)
_BLOCKERS = """
SELECT concat_ws(' ', application_name, '(user ' || usename || ',', 'process ' || pid || ',',
                 'for ' || round(extract(epoch FROM now() - xact_start)) || ' s)',
                 'with: ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 100))
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start LIMIT 3
"""


class SchemaNotCurrent(CommandError):
    """The database has a schema that this version cannot use."""


class MigrationBlocked(SchemaNotCurrent):
    """Another session held a lock for too long, or still needs what the migration removes."""


@dataclass(frozen=True)
class Migration:
    """One file of db/migrations."""

    name: str
    sql: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file, in hexadecimal. It shows whether an applied migration was edited."""
        return hashlib.sha256(self.sql).hexdigest()

    @property
    def is_concurrent(self) -> bool:
        """Whether it runs outside a transaction, so that sales can write to the tables meanwhile."""
        return self.sql.startswith(OUTSIDE_A_TRANSACTION)

    @property
    def is_in_batches(self) -> bool:
        """Whether it changes rows batch by batch, each in a transaction of its own."""
        return self.sql.startswith(IN_BATCHES)

    def statements(self) -> list[bytes]:
        """Split a file without string constants or function bodies into its statements."""
        text = re.sub(rb"(?m)--.*$", b"", self.sql)
        return [statement.strip() for statement in text.split(b";") if statement.strip()]


def _folder() -> Traversable:
    """Return the folder of the migrations: inside the package if it was installed from a wheel, else in the source tree."""
    packaged = resources.files("premade") / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "db" / "migrations"


def migrations() -> list[Migration]:
    """Return the migrations of this version, in their order."""
    files = sorted(
        (file for file in _folder().iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(file.name, file.read_bytes()) for file in files]


def _too_new(applied: Collection[str]) -> SchemaNotCurrent | None:
    """Return the error of a database from which a later version has removed what this version uses."""
    removal = newest_removal(applied)
    if removal is None or removal.since <= numbers_of(own_version()):
        return None
    return SchemaNotCurrent(
        "schema_too_new", migration=removal.name, oldest=removal.oldest, version=own_version()
    )


def migrate(dsn: str, report: Callable[[str], None] = lambda _: None) -> list[str]:
    """Apply what is missing, each file once, and return the names.

    A migration waits at most LOCK_TIMEOUT_SECONDS for a lock, because all other sessions queue up behind it. It tries
    again after a pause. `report` is called with a sentence when a file must wait, and with the progress of batches.

    Raises:
        SchemaNotCurrent: an applied migration was edited, the database is from before version 0.1.0, or a later version
            has removed what this version uses.
        MigrationBlocked: no lock within LOCK_WAIT_SECONDS_MAX, or an older version is connected that uses what a file
            removes. Earlier files stay applied.
    """
    with psycopg.connect(dsn, autocommit=True) as connection, _migration_lock(connection):
        connection.execute(_TABLE)
        missing = _missing(connection)
        for migration in missing:
            _apply(dsn, connection, migration, report)
        return [migration.name for migration in missing]


@contextmanager
def _migration_lock(connection: psycopg.Connection) -> Generator[None]:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
    # Not pg_advisory_lock: a statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY would wait for its end.
    while not _row(connection, "SELECT pg_try_advisory_lock(%s)", MIGRATION_LOCK)[0]:
        if time.monotonic() >= deadline:
            raise MigrationBlocked("migrated_by_another", seconds=LOCK_WAIT_SECONDS_MAX)
        time.sleep(MIGRATION_LOCK_EVERY_SECONDS)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _row(connection: psycopg.Connection, query: LiteralString, value: object) -> tuple[Any, ...]:
    row = connection.execute(query, [value]).fetchone()
    assert row is not None
    return row


def _apply(
    dsn: str, connection: psycopg.Connection, migration: Migration, report: Callable[[str], None]
) -> None:
    _require_no_older_process(connection, migration.name)
    with blockers_of(dsn, connection.info.backend_pid) as blockers:
        waits = _Waits(migration.name, blockers, report)
        if migration.is_concurrent:
            waits.retry(lambda: _build_indexes(connection, migration))
        elif migration.is_in_batches:
            _change_in_batches(connection, migration, waits)
        else:
            waits.retry(lambda: _in_one_transaction(connection, migration))


def _require_no_older_process(connection: psycopg.Connection, name: str) -> None:
    """Check that no process is connected that still uses what the migration removes.

    Raises:
        MigrationBlocked: one is.
    """
    removal = removal_of(name)
    if removal is not None and (processes := older_processes(connection, removal.since)):
        raise MigrationBlocked(
            "older_connected", migration=name, oldest=removal.oldest, processes="; ".join(processes)
        )


@dataclass(frozen=True)
class _Waits:
    """How a migration waits for locks that other sessions hold."""

    name: str
    blockers: list[str]
    report: Callable[[str], None]

    def retry(self, attempt: Callable[[], Result]) -> Result:
        """Run `attempt` until it gets its locks; return its result.

        Raises:
            MigrationBlocked: it got none within LOCK_WAIT_SECONDS_MAX.
        """
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while True:
            self.blockers.clear()
            with suppress(LockNotAvailable, DeadlockDetected):
                return attempt()
            held_by = "; ".join(self.blockers) or "a session that has ended since"
            if time.monotonic() >= deadline:
                raise MigrationBlocked(
                    "migration_blocked", migration=self.name, seconds=LOCK_WAIT_SECONDS_MAX, holder=held_by
                )
            self.report(
                f"{self.name} waits for a lock, held by {held_by}. Next try in {LOCK_PAUSE_SECONDS:.0f} s."
            )
            time.sleep(LOCK_PAUSE_SECONDS)


def _in_one_transaction(connection: psycopg.Connection, migration: Migration) -> None:
    _set_lock_timeout(connection, LOCK_TIMEOUT_SECONDS)
    with connection.transaction():
        connection.execute(migration.sql)
        connection.execute(_APPLIED, [migration.name, migration.sha256])


def _build_indexes(connection: psycopg.Connection, migration: Migration) -> None:
    # No sale queues up behind a concurrent build, so it may wait: for every transaction that began before it.
    _set_lock_timeout(connection, LOCK_WAIT_SECONDS_MAX)
    for statement, index in concurrent_statements(migration):
        if connection.execute(_IS_INVALID, [index]).fetchone():
            # An interrupted build left it behind.
            connection.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(index)))
        connection.execute(statement)
    connection.execute(_APPLIED, [migration.name, migration.sha256])


def _change_in_batches(connection: psycopg.Connection, migration: Migration, waits: _Waits) -> None:
    _set_lock_timeout(connection, LOCK_TIMEOUT_SECONDS)
    statement = batch_statement(migration)
    changed, reported_at = 0, time.monotonic()
    while batch := waits.retry(lambda: connection.execute(statement).rowcount):
        changed += batch
        if time.monotonic() - reported_at >= PROGRESS_EVERY_SECONDS:
            reported_at = time.monotonic()
            waits.report(f"{migration.name} has changed {changed:,} rows.")
    connection.execute(_APPLIED, [migration.name, migration.sha256])


def concurrent_statements(migration: Migration) -> list[tuple[bytes, str]]:
    """Return each statement of a file outside a transaction, and the index that it builds or drops.

    Raises:
        ValueError: a statement does anything else.
    """
    statements = migration.statements()
    indexes = [_CONCURRENT_STATEMENT.match(statement) for statement in statements]
    if None in indexes:
        message = f"{migration.name} may only build and drop indexes CONCURRENTLY, IF [NOT] EXISTS."
        raise ValueError(message)
    return [
        (statement, index[1].decode())
        for statement, index in zip(statements, indexes, strict=True)
        if index is not None
    ]


def batch_statement(migration: Migration) -> bytes:
    """Return the statement of a file in batches.

    Raises:
        ValueError: there are several, or its rows have no limit.
    """
    statements = migration.statements()
    batch = _BATCH.match(statements[0]) if len(statements) == 1 else None
    if batch is None or not 1 <= int(batch[1]) <= BATCH_ROWS_MAX:
        message = (
            f"{migration.name} must be one statement that changes rows, with LIMIT {BATCH_ROWS_MAX} or less."
        )
        raise ValueError(message)
    return statements[0]


def _set_lock_timeout(connection: psycopg.Connection, seconds: float) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{round(seconds * 1000)}ms"])


@contextmanager
def blockers_of(dsn: str, pid: int) -> Generator[list[str]]:
    """Yield a list of the sessions that block session `pid`. A thread keeps it up to date."""
    sessions: list[str] = []
    is_over = threading.Event()

    def look() -> None:
        # Most migrations end before the first look, and so need no connection.
        if is_over.wait(BLOCKERS_EVERY_SECONDS):
            return
        with suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
            while True:
                if rows := connection.execute(_BLOCKERS, [pid]).fetchall():
                    sessions[:] = [row[0] for row in rows]
                if is_over.wait(BLOCKERS_EVERY_SECONDS):
                    return

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield sessions
    finally:
        is_over.set()
        looking.join()


def check_current(dsn: str) -> None:
    """Check that every migration of this version is applied, and that no later one removed what this version uses.

    Raises:
        SchemaNotCurrent: it is not so.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        exists = _row(connection, "SELECT to_regclass(%s)", "schema_migrations")[0]
        missing = _missing(connection) if exists else migrations()
    if missing:
        raise _lacking(missing)


def applied_names(dsn: str) -> list[str]:
    """Return the names of the applied migrations, in their order. Empty if the database has no schema."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not _row(connection, "SELECT to_regclass(%s)", "schema_migrations")[0]:
            return []
        rows = connection.execute("SELECT name FROM schema_migrations ORDER BY name").fetchall()
        return [row[0] for row in rows]


def lack_of(applied: Collection[str]) -> str | None:
    """Return why this version cannot use a database with these applied migrations, and what to do; None if it can."""
    if FIRST_BEFORE_0_1_0 in applied:
        return str(SchemaNotCurrent("schema_before_0_1_0"))
    if too_new := _too_new(applied):
        return str(too_new)
    missing = [migration for migration in migrations() if migration.name not in applied]
    return str(_lacking(missing)) if missing else None


def _lacking(missing: list[Migration]) -> SchemaNotCurrent:
    return SchemaNotCurrent("schema_missing", migrations=", ".join(migration.name for migration in missing))


def _missing(connection: psycopg.Connection) -> list[Migration]:
    applied = dict(connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
    if FIRST_BEFORE_0_1_0 in applied:
        raise SchemaNotCurrent("schema_before_0_1_0")
    if too_new := _too_new(applied):
        raise too_new
    for migration in migrations():
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise SchemaNotCurrent("schema_edited", migration=migration.name)
    return [migration for migration in migrations() if migration.name not in applied]
