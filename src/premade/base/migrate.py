"""Migrations: plain SQL files, each in a transaction of its own, applied in the order of their names."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import psycopg

MIGRATION_LOCK = 7_214_938_061
"""A PostgreSQL advisory lock: of several processes one migrates, the others wait and find it done."""
LOCK_TIMEOUT_SECONDS = 60

_TABLE = b"""
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text CONSTRAINT schema_migrations_pkey PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class SchemaNotCurrent(Exception):
    """The database is not at the schema of this version; the message says what to do."""


@dataclass(frozen=True)
class Migration:
    """One file of db/migrations."""

    name: str
    sql: bytes

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal: an applied migration must never be edited."""
        return hashlib.sha256(self.sql).hexdigest()


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


def migrate(dsn: str, zone: str = "UTC") -> list[str]:
    """Applies what is missing and answers the names. SchemaNotCurrent when an applied one was edited.

    `zone`: the operator's time zone, for what is counted by day.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'".encode())
        connection.execute("SELECT set_config('premade.timezone', %s, false)", [zone])
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            connection.execute(_TABLE)
            missing = _missing(connection)
            for migration in missing:
                with connection.transaction():
                    connection.execute(migration.sql)
                    connection.execute(
                        "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)",
                        [migration.name, migration.sha256],
                    )
            return [migration.name for migration in missing]
        finally:
            connection.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


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
