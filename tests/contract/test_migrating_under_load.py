"""Migrating while others read and write: sales wait for seconds at most, and what is interrupted can go on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.postgres import empty_database

from premade.postgres import migrations as migrations_module
from premade.postgres.migrations import MigrationBlocked, migrate

ADD_COLUMN = "ALTER TABLE things ADD COLUMN more integer;"
BUILD_INDEX = (
    "-- outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_by_id ON things (id);\n"
)
Files = Callable[..., None]


@pytest.fixture(name="own")
def _own(dsn: str) -> Iterator[str]:
    with empty_database(dsn) as own:
        with psycopg.connect(own) as connection:
            connection.execute("CREATE TABLE things (id integer)")
        yield own


@pytest.fixture(name="files")
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Makes these the only migrations, which wait for a moment only."""
    monkeypatch.setattr(migrations_module, "_folder", lambda: tmp_path)
    monkeypatch.setattr(migrations_module, "LOCK_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(migrations_module, "LOCK_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(migrations_module, "BLOCKERS_EVERY_SECONDS", 0.01)

    def write(**statements: str) -> None:
        for name, text in statements.items():
            (tmp_path / f"{name}.sql").write_text(text)

    return write


def one(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_reader_delays_a_migration_and_writers_go_on_between_its_tries(own: str, files: Files) -> None:
    files(m0001=ADD_COLUMN)
    said: list[str] = []
    with (
        psycopg.connect(own, application_name="pg_dump") as reader,
        psycopg.connect(own, autocommit=True) as writer,
    ):
        reader.execute("SELECT FROM things")
        # Less than the migration waits: it gets through only because the migration lets go.
        writer.execute("SET lock_timeout = '100ms'")

        def report(sentence: str) -> None:
            said.append(sentence)
            writer.execute("INSERT INTO things VALUES (1)")
            if len(said) == 3:
                reader.rollback()

        assert migrate(own, report=report) == ["m0001.sql"]

    assert len(said) == 3
    assert all(sentence.startswith("m0001.sql waits for a lock, held by pg_dump (") for sentence in said)
    assert "SELECT FROM things" in said[0]
    assert one(own, "SELECT count(more) = 0 AND count(*) = 3 FROM things")


def test_a_migration_gives_up_and_names_who_is_in_its_way(
    own: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(
        m0001="ALTER TABLE things ADD COLUMN before integer;",
        m0002=ADD_COLUMN + "ALTER TABLE held ADD x int;",
    )
    monkeypatch.setattr(migrations_module, "LOCK_WAIT_SECONDS_MAX", 0.5)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("CREATE TABLE held ()")
    with psycopg.connect(own, application_name="report") as reader:
        reader.execute("SELECT FROM held")
        pid = reader.info.backend_pid

        with pytest.raises(
            MigrationBlocked, match=rf"m0002.sql was not applied.*report \(user .* process {pid}.*"
        ):
            migrate(own)

        # The file before stays; of this one, nothing does.
        columns = "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'things'::regclass AND attnum > 0"
        assert one(own, columns) == "id,before"
    assert migrate(own) == ["m0002.sql"]


@pytest.mark.parametrize("older", ["premade 0.1.9 worker web-1 4711", "premade", "premade metrics"])
def test_nothing_is_removed_while_an_older_version_that_uses_it_is_connected(
    own: str, files: Files, older: str
) -> None:
    files(m0001=ADD_COLUMN, m0002_since_0_2_0="ALTER TABLE things DROP COLUMN more;")
    others = ["premade 0.2.0.dev0 worker web-2 12", "premade 1.0.0 command web-2 13", "psql"]
    with ExitStack() as open_connections:
        for name in others:
            open_connections.enter_context(psycopg.connect(own, application_name=name))
        with (
            psycopg.connect(own, application_name=older),
            pytest.raises(MigrationBlocked, match=f"such processes are connected: {older}. Stop them"),
        ):
            migrate(own)
        assert migrate(own) == ["m0002_since_0_2_0.sql"]


def test_the_wait_for_a_lock_is_short_as_it_is_shipped() -> None:
    assert migrations_module.LOCK_TIMEOUT_SECONDS <= 4
    assert migrations_module.LOCK_PAUSE_SECONDS >= migrations_module.LOCK_TIMEOUT_SECONDS


def test_an_index_is_built_while_others_write(own: str, files: Files) -> None:
    files(m0001=BUILD_INDEX)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(own) as writer,
        psycopg.connect(own, autocommit=True) as other,
    ):
        writer.execute("INSERT INTO things VALUES (1)")
        migrating = pool.submit(migrate, own)
        while not is_waiting(other):
            assert not migrating.done()
        # It waits for the writer that came before, and keeps nobody from writing.
        other.execute("SET lock_timeout = '100ms'")
        other.execute("INSERT INTO things VALUES (2)")
        writer.commit()
        assert migrating.result(30) == ["m0001.sql"]

    assert one(own, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_by_id'::regclass")
    assert migrate(own) == []


def test_an_index_is_built_while_a_second_process_waits_to_migrate(own: str, files: Files) -> None:
    files(m0001=BUILD_INDEX)
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool, psycopg.connect(own) as writer, psycopg.connect(own) as other:
        other.autocommit = True
        writer.execute("INSERT INTO things VALUES (1)")
        first = pool.submit(migrate, own, said.append)
        while not is_waiting(other):
            assert not first.done()
        second = pool.submit(migrate, own, said.append)
        waits = f"SELECT FROM pg_stat_activity WHERE query LIKE '%advisory_lock%' AND pid <> {other.info.backend_pid}"
        while other.execute(waits.encode()).fetchone() is None:
            assert not second.done()
        writer.commit()

        assert (first.result(30), second.result(30)) == (["m0001.sql"], [])
    assert said == [], "neither waits for the other's snapshot"


def is_waiting(connection: psycopg.Connection) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
    return connection.execute(query).fetchone() is not None


@pytest.mark.parametrize("left_behind", ["an invalid index", "a valid index"])
def test_an_index_build_that_was_interrupted_goes_on(own: str, files: Files, left_behind: str) -> None:
    files(m0001=BUILD_INDEX)
    with psycopg.connect(own, autocommit=True) as connection:
        if left_behind == "a valid index":
            connection.execute("CREATE INDEX things_by_id ON things (id)")
        else:
            leave_invalid_index(own, connection)

    assert migrate(own) == ["m0001.sql"]
    assert one(own, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_by_id'::regclass")


def leave_invalid_index(dsn: str, builder: psycopg.Connection) -> None:
    with psycopg.connect(dsn) as writer:
        writer.execute("INSERT INTO things VALUES (1)")
        builder.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            builder.execute("CREATE INDEX CONCURRENTLY things_by_id ON things (id)")
    assert not one(dsn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_by_id'::regclass")


def test_an_index_build_that_failed_can_be_run_again(own: str, files: Files) -> None:
    files(
        m0001=BUILD_INDEX
        + "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS thing_id_taken ON things (id);\n"
        + "DROP INDEX CONCURRENTLY IF EXISTS things_by_id;"
    )
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("INSERT INTO things VALUES (1), (1)")

        with pytest.raises(psycopg.errors.UniqueViolation):
            migrate(own)
        valid = "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid) FROM pg_index WHERE indrelid = 'things'::regclass"
        assert one(own, valid) == "things_by_id true, thing_id_taken false"
        connection.execute("DELETE FROM things")

        assert migrate(own) == ["m0001.sql"]
    assert one(own, valid) == "thing_id_taken true"


FILL = """-- in batches
UPDATE things SET id = 0 WHERE ctid = ANY (ARRAY(SELECT ctid FROM things WHERE id > 0 ORDER BY id LIMIT 10));
"""


def test_rows_are_changed_in_batches_and_each_batch_stays(
    own: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(m0001=FILL)
    monkeypatch.setattr(migrations_module, "LOCK_WAIT_SECONDS_MAX", 0.5)
    said: list[str] = []
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("INSERT INTO things SELECT generate_series(1, 25)")
    with psycopg.connect(own, application_name="sale") as sale:
        sale.execute("SELECT FROM things WHERE id = 15 FOR UPDATE")
        with pytest.raises(MigrationBlocked, match=r"m0001.sql was not applied.*sale \(user"):
            migrate(own, said.append)
    assert one(own, "SELECT count(*) FROM things WHERE id = 0") == 10
    assert len(said) == 1, "it tries again"

    monkeypatch.setattr(migrations_module, "PROGRESS_EVERY_SECONDS", 0)
    said.clear()
    assert migrate(own, said.append) == ["m0001.sql"]
    assert one(own, "SELECT count(*) FROM things WHERE id = 0") == 25
    assert one(own, "SELECT count(DISTINCT xmin::text) FROM things") == 3, "each batch is a transaction"
    assert said == ["m0001.sql has changed 10 rows.", "m0001.sql has changed 15 rows."]
    assert migrate(own) == []


@pytest.mark.parametrize(
    "statements",
    [
        "UPDATE things SET id = 0;",
        "UPDATE things SET id = 0 WHERE id IN (SELECT id FROM things WHERE id > 0 LIMIT 10000);",
        "UPDATE things SET id = 0 WHERE id IN (SELECT id FROM things LIMIT 10); DELETE FROM things;",
        "ALTER TABLE things ADD COLUMN more integer;",
    ],
)
def test_batches_are_one_statement_with_a_limit(own: str, files: Files, statements: str) -> None:
    files(m0001=f"-- in batches\n{statements}")

    with pytest.raises(
        ValueError, match="m0001.sql must be one statement that changes rows, with LIMIT 1000"
    ):
        migrate(own)


def test_outside_a_transaction_there_are_only_index_builds(own: str, files: Files) -> None:
    files(m0001="-- outside a transaction\nALTER TABLE things ADD COLUMN more integer;")

    with pytest.raises(ValueError, match="m0001.sql may only build and drop indexes CONCURRENTLY"):
        migrate(own)
