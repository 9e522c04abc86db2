"""A code, an order id and a reservation id are given out once: dumps that are restored."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.lives import CLOCKS, Till, assert_nothing_repeats, confirm, dump, load, restorations, till
from support.postgres import empty_database, own_database
from support.shop import Shop
from support.terminal import Operator

from premade.postgres.migrations import migrate
from premade.tickets.signing import list_signing_keys


def test_a_dump_that_is_restored(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second, empty_database(dsn) as third:
        shop = till(first)
        dump(first, tmp_path / "dump")
        lost = shop.live()
        load(second, tmp_path / "dump")
        other = Till(second, shop.seller)

        other.is_refused()
        confirm(second)
        after = other.live(burst=0)

        assert other.kind_of_snapshot(lost.cursor) == "full"
        assert other.kind_of_snapshot(after.cursor) == "changes"
        [told] = restorations(second)
        assert (told["actor"], told["data"]["noticed_by"]) == (
            "service",
            "rows were written anew, another database",
        )
        # The same dump once more: what the first restore forgets is what the second has sold.
        load(third, tmp_path / "dump")
        confirm(third)
        again = Till(third, shop.seller).live(burst=0)
        assert_nothing_repeats(lost, after, again)


@pytest.mark.nightly
def test_an_old_dump_after_several_restores(dsn: str, tmp_path: Path) -> None:
    """The old dump does not know how often there was a restore since, nor what the operator said."""
    with own_database(dsn) as first, empty_database(dsn) as second, empty_database(dsn) as third:
        till(first)
        dump(first, tmp_path / "dump")
        load(second, tmp_path / "dump")
        confirm(second)
        operator = Operator(second)
        for _ in range(3):
            operator.does("restored")
        lost = {clock: taken(second, clock) for clock in CLOCKS}

        load(third, tmp_path / "dump")
        confirm(third)

        assert all(taken(third, clock) > last for clock, last in lost.items())


def taken(dsn: str, clock: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT take_logical_ms(%s, 1)", [clock]).fetchone()
    assert row
    return row[0]


@pytest.mark.nightly
def test_a_database_that_publishes_all_its_tables(dsn: str) -> None:
    """PostgreSQL refuses changes of rows that a subscriber could not find."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        shop.sql("CREATE PUBLICATION everything FOR ALL TABLES")

        assert Operator(own).does("restored")["signing_keys"]
        unfindable = (
            "SELECT relname FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relreplident <> 'f' AND NOT EXISTS"
            " (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
        )
        assert shop.sql(unfindable) == []


def test_a_dump_of_the_data_alone(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        shop = till(first)
        options = ["--data-only", "--disable-triggers", "--exclude-table=schema_migrations"]
        dump(first, tmp_path / "dump", *options)
        lost = shop.live()
        migrate(second)
        # What the migrations insert.
        for table in ("channels", "customer_retention"):
            Shop(second, "http://nowhere").sql(f"DELETE FROM {table}")
        load(second, tmp_path / "dump")

        confirm(second)

        assert_nothing_repeats(lost, Till(second, shop.seller).live(burst=0))
        assert Till(second, shop.seller).sql("SELECT count(*) FROM database_incarnation") == [{"count": 1}]


@pytest.mark.nightly
def test_a_database_from_before_0_1_0_is_kept(dsn: str, tmp_path: Path) -> None:
    """As the runbook says: its schema is that of a new database, so it takes over the new one's list of migrations."""
    with own_database(dsn) as old, empty_database(dsn) as new:
        shop = till(old)
        lost = shop.live()
        shop.sql("UPDATE schema_migrations SET name = '0010_partners.sql' WHERE starts_with(name, '0010')")
        assert "before version 0.1.0" in Operator(old).is_refused("migrate")

        Operator(new).does("migrate")
        dump(new, tmp_path / "migrations.sql", "--data-only", "--table=schema_migrations")
        shop.sql("DELETE FROM schema_migrations")
        load(old, tmp_path / "migrations.sql")

        assert Operator(old).does("migrate")["applied"] == "nothing: the schema is current"
        assert shop.sql("SELECT count(*) FROM pre_generated_tickets") == [{"count": len(lost.codes)}]


@pytest.mark.nightly
def test_a_dump_that_is_restored_into_the_same_database(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        shop = till(own)
        dump(own, tmp_path / "dump", "--schema=public")
        lost = shop.live()

        # pg_dump --clean drops partitions in the wrong order.
        shop.sql("DROP SCHEMA public CASCADE")
        load(own, tmp_path / "dump")
        shop.is_refused()
        confirm(own)

        assert_nothing_repeats(lost, shop.live(burst=0))


@pytest.mark.nightly
def test_a_dump_that_is_restored_while_the_service_runs(dsn: str, tmp_path: Path) -> None:
    """It may be noticed before the restore sets the clocks back."""
    with own_database(dsn) as own:
        shop = till(own)
        states = shop.sql(
            "SELECT format('SELECT setval(%%L, %%s)', c, coalesce(pg_sequence_last_value(c), 1)) AS set_back"
            " FROM unnest(ARRAY['ticket_code_ms', 'order_id_ms', 'reservation_id_ms']::regclass[]) AS c"
        )
        lost = shop.live()
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute("UPDATE database_incarnation SET written_in = '1'")
            confirm(own)
            between = shop.live(burst=0)
            for state in states:
                connection.execute(str(state["set_back"]).encode())

        shop.is_refused()
        confirm(own)

        assert_nothing_repeats(lost, between, shop.live(burst=0))


@pytest.mark.nightly
def test_processes_that_notice_at_once_begin_anew_once(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as first, empty_database(dsn) as second:
        till(first)
        dump(first, tmp_path / "dump")
        load(second, tmp_path / "dump")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(confirm, [second] * 4))

        assert len(restorations(second)) == 1
        keys = Shop(second, "http://nowhere").operate(lambda database, _: list_signing_keys(database))
        assert sorted(key.key_id[0] for key in keys) == ["K", "K", "T", "T"]
