"""The migrations: what they make, that they are applied once, and that nobody edits one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.postgres import empty_database
from support.terminal import Operator

from premade.postgres import migrations as migrations_module
from premade.postgres.migrations import SchemaNotCurrent, check_current, lack_of, migrate, migrations
from premade.postgres.schema import schema_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(name="empty_database")
def _empty_database(dsn: str) -> Iterator[str]:
    with empty_database(dsn) as empty:
        yield empty


def test_the_migrations_make_the_schema_that_is_shown(postgres_kind: str, empty_database: str) -> None:
    if postgres_kind != "embedded":
        pytest.skip("dumps differ between versions of PostgreSQL; the embedded one is the measure")
    migrate(empty_database)

    assert schema_of(empty_database) == (REPOSITORY / "db" / "schema.sql").read_text()


def test_a_database_is_migrated_once(empty_database: str) -> None:
    with pytest.raises(SchemaNotCurrent, match="premade migrate"):
        check_current(empty_database)

    first, second = migrate(empty_database), migrate(empty_database)

    assert first == [migration.name for migration in migrations()]
    assert "0012_pre_generated_tickets.sql" in first
    assert second == []
    check_current(empty_database)


def test_of_several_at_once_one_migrates(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_database] * 4))

    assert sorted(len(names) for names in applied) == [0, 0, 0, len(migrations())]


def test_an_applied_migration_that_was_edited_is_refused(empty_database: str) -> None:
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'x' WHERE name LIKE '0012%'")

    with pytest.raises(SchemaNotCurrent, match="0012_pre_generated_tickets.sql"):
        migrate(empty_database)
    with pytest.raises(SchemaNotCurrent, match="0012_pre_generated_tickets.sql"):
        check_current(empty_database)


@pytest.mark.parametrize("applied", [1, 3], ids=["with its first migration", "with several"])
def test_a_database_from_before_0_1_0_is_told_what_to_do_and_not_changed(
    empty_database: str, applied: int
) -> None:
    names = ["0010_partners.sql", "0011_catalog_and_stock.sql", "0012_pre_generated_tickets.sql"][:applied]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE schema_migrations (name text PRIMARY KEY, sha256 text)")
        connection.cursor().executemany(
            "INSERT INTO schema_migrations VALUES (%s, 'old')", [[name] for name in names]
        )
        operator = Operator(empty_database)

        for refused in ("migrate", "serve", "expire"):
            assert "from before version 0.1.0" in operator.is_refused(refused)
        assert "Set DATABASE_URL or PREMADE_DATA_DIR to an empty database" in operator.is_refused("migrate")
        with pytest.raises(SchemaNotCurrent, match="from before version 0.1.0"):
            check_current(empty_database)
        assert "from before version 0.1.0" in str(lack_of(names)), "/readyz says the same"

        left = connection.execute("SELECT name, sha256 FROM schema_migrations ORDER BY name").fetchall()
        assert left == [(name, "old") for name in names]
        tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        assert connection.execute(tables).fetchall() == [("schema_migrations",)]
    assert not {"0010_partners.sql"} & {migration.name for migration in migrations()}


def test_a_version_refuses_a_database_from_which_a_later_one_removed_something(empty_database: str) -> None:
    migrate(empty_database)
    removal, harmless = "0900_drop_old_counts_since_999_0_0.sql", "0901_more_counts.sql"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        insert = "INSERT INTO schema_migrations (name, sha256) VALUES (%s, 'later')"
        connection.execute(insert, [harmless])
        check_current(empty_database)
        assert migrate(empty_database) == []

        connection.execute(insert, [removal])

        for refused in ("migrate", "serve", "expire"):
            assert f"{removal}. premade 999.0.0 or later can use it" in Operator(empty_database).is_refused(
                refused
            )
        names = {migration.name for migration in migrations()}
        assert removal in str(lack_of({*names, removal})), "/readyz says the same"


def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_half.sql").write_text("CREATE TABLE half (); SELECT 1 / 0;")
    monkeypatch.setattr(migrations_module, "_folder", lambda: tmp_path)

    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database)

    with psycopg.connect(empty_database) as connection:
        row = connection.execute("SELECT to_regclass('half')").fetchone()
    assert row == (None,)


def test_every_rule_of_the_database_has_a_name_of_its_own(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " AND conname ~ CASE contype WHEN 'c' THEN '_check[0-9]*$' WHEN 'f' THEN '_fkey[0-9]*$'"
            " WHEN 'u' THEN '_key[0-9]*$' END"
        ).fetchall()

    assert rows == []


def test_the_permissions_of_the_code_and_of_the_database_are_the_same(dsn: str) -> None:
    from premade.partners.permission import PERMISSIONS

    with psycopg.connect(dsn) as connection:
        [[rule]] = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'api_key_permissions_known'"
        ).fetchall()

    assert all(f"'{permission}'" in rule for permission in PERMISSIONS)
    assert rule.count("'::text") == len(PERMISSIONS)
