"""The audit events by month: the upgrade of a table with events, month boundaries, and events without a month."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import CheckViolation
from support.postgres import empty_database
from upgrades.test_audit_keys import INSERT, LAST_OF_0_1_0, PARTNER, apply

from premade.audit.months import create_months, has_events_without_month, missing_months
from premade.postgres.database import open_database
from premade.postgres.migrations import migrate
from premade.runtime.month import Month

EVENT = """
INSERT INTO audit_events (partner_id, event, actor, occurred_at, operation, idempotency_key, request_digest)
VALUES ((SELECT min(partner_id) FROM partners), 'e', 'a', %s, 'redeem', %s, '')
"""
PLACES = "SELECT tableoid::regclass::text, occurred_at FROM audit_events ORDER BY event_id"
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_events'::regclass"
Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(name="own")
def _own(dsn: str) -> Iterator[str]:
    with empty_database(dsn) as own:
        yield own


@pytest.fixture(name="connection")
def _connection(own: str) -> Iterator[Connection]:
    """A new database with one partner."""
    migrate(own)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(PARTNER)
        yield connection


def month_start(ahead: int) -> datetime:
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def table_of(moment: datetime) -> str:
    return f"audit_events_{moment:%Y_%m}"


@pytest.mark.parametrize(
    "last", [LAST_OF_0_1_0, "0023_drop_audit_keys_progress_since_0_1_0.sql"], ids=["0.1.0", "0.2.0"]
)
def test_the_events_of_a_release_become_the_first_partition(
    own: str, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(own, last, tmp_path / "released", monkeypatch)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(PARTNER)
        for number in range(20):
            connection.execute(INSERT, ["redeem", f"scan {number}"])
        rows = "SELECT event_id, md5(e::text) FROM audit_events e ORDER BY event_id"
        before = connection.execute(rows).fetchall()

        migrate(own)

        assert connection.execute(rows).fetchall() == before, "cursors of gates have this digest"
        assert {place for place, _ in connection.execute(PLACES)} == {"audit_events_before_months"}
        for scan in ("scan 3", "new"):
            connection.execute(INSERT, ["redeem", scan])
        [*_, (newest, _)] = connection.execute(rows).fetchall()
        assert newest == before[-1][0] + 2, "an id is taken by the scan that was left out; none is used twice"
        ends = connection.execute(
            "SELECT ends_at, lead(starts_at) OVER (ORDER BY ends_at) FROM audit_months ORDER BY ends_at"
        ).fetchall()
        assert ends[0][0] >= month_start(1)
        assert all(end == start for end, start in ends[:-1]), "there is no gap"
        assert ends[-1][0] == month_start(4)


def test_an_event_is_in_its_month_of_utc(connection: Connection) -> None:
    next_month = month_start(1)
    moments = [
        next_month - timedelta(microseconds=1),
        next_month,
        month_start(0) - timedelta(days=400),
        month_start(40),
    ]
    for number, moment in enumerate(moments):
        connection.execute(EVENT, [moment, str(number)])

    places = [place for place, _ in connection.execute(PLACES)]

    assert places == [table_of(month_start(0)), table_of(next_month), *["audit_events_default"] * 2]


def test_no_partition_can_be_changed(connection: Connection) -> None:
    for (partition,) in connection.execute(PARTITIONS).fetchall():
        for change in ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(CheckViolation, match="append-only"):
                connection.execute(change.format(partition).encode())


def test_all_partitions_have_the_same_indexes(connection: Connection) -> None:
    indexes = {
        partition: connection.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = %s::text::regclass AND indisvalid", [partition]
        ).fetchall()
        for (partition,) in connection.execute(PARTITIONS).fetchall()
    }

    assert set(map(str, indexes.values())) == {"[(6,)]"}


def test_a_retry_over_a_month_boundary_happens_once(own: str, connection: Connection) -> None:
    """The same scan by two connections, at the same moment: one in the old month, one in the new."""
    moments = [month_start(1) - timedelta(microseconds=1), month_start(1)]
    ready = threading.Barrier(2)

    def insert(moment: datetime, key: str) -> int:
        with psycopg.connect(own, autocommit=True) as each:
            ready.wait()
            return each.execute(EVENT, [moment, key]).rowcount

    with ThreadPoolExecutor(2) as pool:
        for number in range(10):
            assert sorted(pool.map(insert, moments, [str(number)] * 2)) == [0, 1]
    assert len(connection.execute(PLACES).fetchall()) == 10


def test_a_month_is_created_although_the_default_partition_has_its_events(
    own: str, connection: Connection
) -> None:
    month = table_of(month_start(1))
    connection.execute(f"DROP TABLE {month}".encode())
    moments = [month_start(1), month_start(2) - timedelta(microseconds=1), month_start(99)]
    for number, moment in enumerate(moments):
        connection.execute(EVENT, [moment, str(number)])

    async def run() -> tuple[list[Month], list[Month], list[Month], bool]:
        async with open_database(own, connections_max=2) as database:
            before = await missing_months(database, 3)
            created = await create_months(database)
            return (
                before,
                created,
                await missing_months(database, 3),
                await has_events_without_month(database),
            )

    missing = Month.of(month_start(1))
    assert asyncio.run(run()) == ([missing], [missing], [], True)
    places = [place for place, _ in connection.execute(PLACES)]
    assert places == [month, month, "audit_events_default"]
    test_no_partition_can_be_changed(connection)


def test_a_role_that_owns_nothing_creates_months(own: str, connection: Connection) -> None:
    connection.execute(f"DROP TABLE {table_of(month_start(3))}".encode())
    connection.execute("DROP ROLE IF EXISTS till_of_months")
    connection.execute("CREATE ROLE till_of_months")
    try:
        connection.execute("GRANT SELECT, INSERT ON audit_events TO till_of_months")
        connection.execute("GRANT EXECUTE ON FUNCTION create_audit_month TO till_of_months")
        connection.execute("SET ROLE till_of_months")
        day = month_start(3).date()
        assert connection.execute("SELECT create_audit_month(%s)", [day]).fetchall() == [(True,)]
        connection.execute(f"SELECT FROM {table_of(month_start(3))}".encode())
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP OWNED BY till_of_months")
        connection.execute("DROP ROLE till_of_months")


def test_no_table_of_a_caller_takes_part_in_the_creation_of_a_month(own: str, connection: Connection) -> None:
    """The function has the rights of the owner. Temporary tables of its caller must not hide the ones that it reads."""
    connection.execute(f"DROP TABLE {table_of(month_start(3))}".encode())
    connection.execute(
        "CREATE TEMPORARY TABLE audit_months (table_name text, starts_at timestamptz, ends_at timestamptz)"
    )
    connection.execute("INSERT INTO audit_months VALUES ('planted', '-infinity', 'infinity')")
    day = month_start(3).date()
    assert connection.execute("SELECT create_audit_month(%s)", [day]).fetchall() == [(True,)]
    connection.execute("DROP TABLE pg_temp.audit_months")
