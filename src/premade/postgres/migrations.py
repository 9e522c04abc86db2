"""Migrations: plain SQL files, applied in the order of their names, each in a transaction of its own.

A file whose first line is `-- outside a transaction` builds or drops indexes CONCURRENTLY.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.sql import SQL, Identifier

MIGRATION_LOCK = 7_214_938_061
"""A PostgreSQL advisory lock: of several processes one migrates, the others wait and find it done."""
LOCK_TIMEOUT_SECONDS = 2.0
"""Sales queue up behind a migration that waits for a lock, so it waits no longer than this at a time."""
LOCK_PAUSE_SECONDS = 3.0
LOCK_WAIT_SECONDS_MAX = 300.0
"""Limit for one file, including all attempts and pauses."""
BLOCKERS_EVERY_SECONDS = 0.25
OUTSIDE_A_TRANSACTION = b"-- outside a transaction\n"

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
_BLOCKERS = """
SELECT concat_ws(' ', application_name, '(user ' || usename || ',', 'process ' || pid || ',',
                 'for ' || round(extract(epoch FROM now() - xact_start)) || ' s)',
                 'with: ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 100))
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start LIMIT 3
"""


class SchemaNotCurrent(Exception):
    """The database is not at the schema of this version; the message says what to do."""


class MigrationBlocked(SchemaNotCurrent):
    """Another session held a lock for too long; the message says which."""


@dataclass(frozen=True)
class Migration:
    """One file of db/migrations."""

    name: str
    sql: bytes

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal: an applied migration must never be edited."""
        return hashlib.sha256(self.sql).hexdigest()

    @property
    def is_concurrent(self) -> bool:
        """Whether it runs outside a transaction, so that sales can write to the tables meanwhile."""
        return self.sql.startswith(OUTSIDE_A_TRANSACTION)


def _folder() -> Traversable:
    """Inside the package where it was installed from a wheel, in the source tree otherwise."""
    packaged = resources.files("premade") / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "db" / "migrations"


def migrations() -> list[Migration]:
    """All of this version, in their order."""
    files = sorted(
        (file for file in _folder().iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [Migration(file.name, file.read_bytes()) for file in files]


def migrate(dsn: str, zone: str = "UTC", tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Apply what is missing, each file once, and return the names.

    A migration waits at most LOCK_TIMEOUT_SECONDS for a lock, since everybody else queues up behind it, and tries again
    after a pause. `zone` is the operator's time zone, for counts by day. `tell` is called with a sentence whenever a file
    has to wait.

    Raises:
        SchemaNotCurrent: an applied migration was edited.
        MigrationBlocked: no lock within LOCK_WAIT_SECONDS_MAX. Earlier files stay applied.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT set_config('premade.timezone', %s, false)", [zone])
        with _alone(connection):
            connection.execute(_TABLE)
            missing = _missing(connection)
            for migration in missing:
                _apply(dsn, connection, migration, tell)
            return [migration.name for migration in missing]


@contextmanager
def _alone(connection: psycopg.Connection) -> Generator[None]:
    _set_lock_timeout(connection, LOCK_WAIT_SECONDS_MAX)
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    except LockNotAvailable:
        message = f"Another process has been migrating the database for {LOCK_WAIT_SECONDS_MAX:.0f} s."
        raise MigrationBlocked(message) from None
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _apply(
    dsn: str, connection: psycopg.Connection, migration: Migration, tell: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
    while True:
        with blockers_of(dsn, connection.info.backend_pid) as blockers:
            try:
                _try(connection, migration)
            except (LockNotAvailable, DeadlockDetected):
                pass
            else:
                return
        held_by = "; ".join(blockers) or "a session that has ended since"
        if time.monotonic() >= deadline:
            message = (
                f"{migration.name} was not applied: it got no lock in {LOCK_WAIT_SECONDS_MAX:.0f} s. "
                f"The lock is held by {held_by}. Let it finish or end it, then run 'premade migrate' again; nothing is half done."
            )
            raise MigrationBlocked(message)
        tell(f"{migration.name} waits for a lock, held by {held_by}. Next try in {LOCK_PAUSE_SECONDS:.0f} s.")
        # Sessions that queued up behind this one go on meanwhile.
        time.sleep(LOCK_PAUSE_SECONDS)


def _try(connection: psycopg.Connection, migration: Migration) -> None:
    if not migration.is_concurrent:
        _set_lock_timeout(connection, LOCK_TIMEOUT_SECONDS)
        with connection.transaction():
            connection.execute(migration.sql)
            connection.execute(_APPLIED, [migration.name, migration.sha256])
        return
    # Nobody queues up behind a concurrent build. It waits for every transaction that began before it.
    _set_lock_timeout(connection, LOCK_WAIT_SECONDS_MAX)
    for statement, index in _concurrent_statements(migration):
        if connection.execute(_IS_INVALID, [index]).fetchone():
            # An interrupted build left it behind.
            connection.execute(SQL("DROP INDEX CONCURRENTLY {}").format(Identifier(index)))
        connection.execute(statement)
    connection.execute(_APPLIED, [migration.name, migration.sha256])


def _concurrent_statements(migration: Migration) -> list[tuple[bytes, str]]:
    """Return each statement of the file, and the index that it builds or drops.

    Raises:
        ValueError: a statement does anything else.
    """
    text = re.sub(rb"(?m)^--.*$", b"", migration.sql)
    statements = [statement.strip() for statement in text.split(b";") if statement.strip()]
    indexes = [_CONCURRENT_STATEMENT.match(statement) for statement in statements]
    if None in indexes:
        message = f"{migration.name} may only build and drop indexes CONCURRENTLY, IF [NOT] EXISTS."
        raise ValueError(message)
    return [
        (statement, index[1].decode())
        for statement, index in zip(statements, indexes, strict=True)
        if index is not None
    ]


def _set_lock_timeout(connection: psycopg.Connection, seconds: float) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{round(seconds * 1000)}ms"])


@contextmanager
def blockers_of(dsn: str, pid: int) -> Generator[list[str]]:
    """Yield a list that names the sessions for whose lock session `pid` waits, kept up to date by a thread."""
    found: list[str] = []
    is_over = threading.Event()

    def look() -> None:
        with suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
            while not is_over.wait(BLOCKERS_EVERY_SECONDS):
                if rows := connection.execute(_BLOCKERS, [pid]).fetchall():
                    found[:] = [row[0] for row in rows]

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield found
    finally:
        is_over.set()
        looking.join()


def check_current(dsn: str) -> None:
    """SchemaNotCurrent unless every migration of this version is applied."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        exists = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
        missing = _missing(connection) if exists and exists[0] else migrations()
    if missing:
        names = ", ".join(migration.name for migration in missing)
        message = f"The database lacks {names}. Run 'premade migrate' first."
        raise SchemaNotCurrent(message)


def _missing(connection: psycopg.Connection) -> list[Migration]:
    applied = dict(connection.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
    for migration in migrations():
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            message = f"{migration.name} was applied in another form than this version has; restore the file."
            raise SchemaNotCurrent(message)
    return [migration for migration in migrations() if migration.name not in applied]
