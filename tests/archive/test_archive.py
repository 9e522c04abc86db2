"""`premade archive`: it moves events from the database to files, and restores them exactly."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from support.old_months import KEPT, NOW, OLD, OLDEST, add_partition, archive, at, events, old_shop
from support.past import generate
from support.postgres import own_database
from support.processes import wait_until
from support.shop import Shop
from support.terminal import Operator

from premade.postgres.event_archive.month import Month


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    with old_shop(dsn) as (shop, _, _):
        yield shop


def test_months_leave_the_database_and_come_back_exactly(shop: Shop, tmp_path: Path) -> None:
    before = events(shop)
    operator = Operator(shop.dsn)

    moved = archive(shop, tmp_path)

    assert [row["month"] for row in moved] == [str(OLDEST), str(OLD)]
    kept = [row for row in before if row["occurred_at"] >= KEPT.starts_at]
    assert events(shop) == kept
    assert len(kept) < len(before)
    listed = operator.does("archive", "list", "--from", str(tmp_path))
    assert [row["place"] for row in listed] == ["archive"] * 2
    assert {row["result"] for row in operator.does("archive", "verify", "--from", str(tmp_path))} == {"ok"}
    for month in (OLD, OLDEST):
        operator.does("archive", "restore", str(month), "--from", str(tmp_path))
    assert events(shop) == before
    # The existing files are used again.
    assert archive(shop, tmp_path) == moved
    with psycopg.connect(shop.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("DELETE FROM audit_events")


@pytest.mark.nightly
def test_a_restored_month_is_append_only(shop: Shop, tmp_path: Path) -> None:
    archive(shop, tmp_path)
    Operator(shop.dsn).does("archive", "restore", str(OLD), "--from", str(tmp_path))
    name = f"audit_events_{OLD.year:04}_{OLD.number:02}"

    with psycopg.connect(shop.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"DELETE FROM {name}".encode())


@pytest.mark.nightly
def test_several_months_of_one_partition(dsn: str, tmp_path: Path) -> None:
    """The events from before the partitions are one table of many months."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        add_partition(shop, "audit_events_before_months", "MINVALUE", KEPT)
        seller = shop.seller()
        for month in (OLDEST, OLD):
            generate(at(shop, month), seller, 1)
        before = events(shop)

        moved = archive(shop, tmp_path)

        assert [row["month"] for row in moved] == [str(OLDEST), str(OLD)]
        assert shop.sql("SELECT FROM pg_class WHERE relname = 'audit_events_before_months'") == []
        for month in (OLDEST, OLD):
            Operator(own).does("archive", "restore", str(month), "--from", str(tmp_path))
        assert events(shop) == before


def test_a_preview_is_shown_before_anything_is_moved(shop: Shop, tmp_path: Path) -> None:
    operator, before = Operator(shop.dsn), events(shop)
    arguments = ("archive", "--before", str(KEPT), "--into", str(tmp_path))

    shown = operator.does(*arguments, "--dry-run")
    declined = operator.run(*arguments, typed="n\n")

    assert [(row["month"], row["events"]) for row in shown] == [(str(OLDEST), 2), (str(OLD), 2)]
    assert "2 months with 4 events leave the database" in declined.stdout
    assert declined.returncode == 1
    assert "Add --yes" in operator.is_refused(*arguments)
    assert events(shop) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_months_that_are_not_closed_are_refused(shop: Shop, tmp_path: Path) -> None:
    operator, before = Operator(shop.dsn), events(shop)
    into = ("--into", str(tmp_path), "--yes")

    for open_month in (Month.of(NOW), Month.of(NOW).next):
        refusal = operator.is_refused("archive", "--before", str(open_month), *into)
        assert "a device can upload a scan that is 30 days old" in refusal
    # The same months are still open for a device that may come back after a year.
    refusal = operator.is_refused("archive", "--before", str(KEPT), *into, PREMADE_OFFLINE_SCAN_DAYS="365")
    assert "365 days old" in refusal
    assert "--before 2026-01" in operator.is_refused("archive")
    assert "YYYY-MM" in operator.is_refused("archive", "--before", "2026-13", *into)
    [batch] = shop.sql("SELECT batch_id FROM batches ORDER BY created_at LIMIT 1")
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute("UPDATE batches SET to_make = 1 WHERE batch_id = %s", [batch["batch_id"]])
    refusal = operator.is_refused("archive", "--before", str(KEPT), *into)
    assert f"Batch {batch['batch_id']} is from one of these months" in refusal
    assert events(shop) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_a_file_with_other_events_is_neither_used_nor_replaced(shop: Shop, tmp_path: Path) -> None:
    """This happens after the restore of a backup that lacks the month's last events."""
    archive(shop, tmp_path)
    operator = Operator(shop.dsn)
    operator.does("archive", "restore", str(OLD), "--from", str(tmp_path))
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(
            b"DELETE FROM audit_events WHERE event_id = (SELECT max(event_id) FROM audit_events WHERE occurred_at < %s::timestamptz)".replace(
                b"%s", f"'{KEPT.starts_at}'".encode()
            )
        )
    before = events(shop)

    refusal = operator.is_refused("archive", "--before", str(KEPT), "--into", str(tmp_path), "--yes")

    assert "has other events of" in refusal
    assert events(shop) == before
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents
    assert "are in the database" in operator.is_refused(
        "archive", "restore", str(OLD), "--from", str(tmp_path)
    )


@pytest.mark.nightly
def test_sales_go_on_while_a_long_read_keeps_the_months(shop: Shop, tmp_path: Path) -> None:
    seller = shop.seller()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as reader:
        reader.execute(b"SELECT count(*) FROM audit_events")
        moving = pool.submit(archive, shop, tmp_path)
        slowest = 0.0
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%DETACH%%' AND datname = current_database()"
        wait_until(lambda: moving.done() or bool(shop.sql(waits)), "the command does not wait")
        for _ in range(20):
            begun = time.monotonic()
            generate(shop, seller, 1)
            slowest = max(slowest, time.monotonic() - begun)
        assert not moving.done()
        reader.rollback()
        assert len(moving.result()) == 2
    assert slowest < 4
