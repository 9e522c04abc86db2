"""`premade archive`: it moves events from the database to files, and restores them exactly."""

import asyncio
import itertools
import threading
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

from premade.postgres.database import Transaction
from premade.postgres.event_archive import events as archived_events
from premade.postgres.event_archive import partitions
from premade.postgres.event_archive.manifest import (
    events_path,
    manifest_as_json,
    manifest_path,
    read_manifest,
)
from premade.postgres.event_archive.move import closed_partitions, remove_partition, write_month
from premade.postgres.event_archive.partitions import archive_session
from premade.postgres.event_archive.restore import restore_month
from premade.runtime.month import Month

WRITERS = 6


async def record_nothing(tx: Transaction, month: Month, count: int) -> None:
    del tx, month, count


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


@pytest.fixture
def one_table(dsn: str) -> Iterator[Shop]:
    """A shop with the events from before the partitions: one table of many months."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        add_partition(shop, "audit_events_before_months", "MINVALUE", KEPT)
        seller = shop.seller()
        for month in (OLDEST, OLD):
            generate(at(shop, month), seller, 1)
        yield shop


@pytest.mark.nightly
def test_several_months_of_one_partition(one_table: Shop, tmp_path: Path) -> None:
    before = events(one_table)

    moved = archive(one_table, tmp_path)

    assert [row["month"] for row in moved] == [str(OLDEST), str(OLD)]
    assert one_table.sql("SELECT FROM pg_class WHERE relname = 'audit_events_before_months'") == []
    for month in (OLDEST, OLD):
        Operator(one_table.dsn).does("archive", "restore", str(month), "--from", str(tmp_path))
    assert events(one_table) == before


@pytest.mark.nightly
def test_nothing_is_written_before_all_months_are_compared(
    one_table: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction with an id holds back snapshots and vacuum."""
    monkeypatch.setattr(archived_events, "_PORTION_ROWS", 1)
    has_id: list[bool] = []

    async def move() -> None:
        async with archive_session(one_table.dsn) as connection:

            def report(step: str, done: int, whole: int | None) -> None:
                del done, whole
                if step == "Compare":
                    [row] = one_table.sql(
                        "SELECT backend_xid IS NOT NULL AS has_id FROM pg_stat_activity WHERE pid = %s",
                        connection.info.backend_pid,
                    )
                    has_id.append(row["has_id"])

            [closed] = await closed_partitions(connection, KEPT, NOW, 30)
            for month in closed.months:
                with events_path(tmp_path, month).open("wb") as file:
                    manifest = await write_month(connection, closed, month, file, report)
                manifest_path(tmp_path, month).write_bytes(manifest_as_json(manifest))
            await remove_partition(connection, closed, tmp_path, NOW, report, record_nothing)

    asyncio.run(move())

    assert has_id == [False] * 2


def test_a_deadlock_is_only_a_failed_attempt(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_LOCK_PAUSE_SECONDS", 0)
    attempts = itertools.count()

    async def change_twice() -> None:
        async with archive_session(dsn) as connection, connection.transaction():

            async def change() -> None:
                if next(attempts) == 0:
                    await connection.execute(b"DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

            await partitions.with_short_lock(connection, change)

    asyncio.run(change_twice())

    assert next(attempts) == 2


@pytest.mark.nightly
def test_a_restored_month_is_not_read_under_the_locks(shop: Shop, tmp_path: Path) -> None:
    archive(shop, tmp_path)
    messages: list[str] = []

    async def restore() -> None:
        async with archive_session(shop.dsn) as connection:
            connection.add_notice_handler(lambda each: messages.append(each.message_primary or ""))
            await connection.execute(b"SET client_min_messages = debug1")
            manifest = read_manifest(tmp_path, OLD)
            await restore_month(connection, tmp_path, manifest, lambda *_: None, record_nothing)

    asyncio.run(restore())

    name = f"audit_events_{OLD.year:04}_{OLD.number:02}"
    assert f'partition constraint for table "{name}" is implied by existing constraints' in messages
    assert [each for each in messages if "validating foreign key" in each] == [
        'validating foreign key constraint "audit_events_partner"'
    ]
    constraints = "SELECT conname, contype::text, conparentid <> 0 AS is_inherited FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'f') ORDER BY 1"
    of_other_month = f"audit_events_{KEPT.year:04}_{KEPT.number:02}"
    assert len(shop.sql(constraints, name)) == len(shop.sql(constraints, of_other_month)) == 2
    assert [row["is_inherited"] for row in shop.sql(constraints, name) if row["contype"] == "f"] == [True]


def test_a_preview_is_shown_before_anything_is_moved(shop: Shop, tmp_path: Path) -> None:
    operator, before = Operator(shop.dsn), events(shop)
    arguments = ("archive", "--before", str(KEPT), "--into", str(tmp_path))

    shown = operator.does(*arguments, "--dry-run")
    declined = operator.run(*arguments, typed="n\n")

    assert [(row["month"], row["events"]) for row in shown] == [(str(OLDEST), 2), (str(OLD), 2)]
    assert "4 events of 2 month(s) leave the database" in declined.stdout
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
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE ONLY%%' AND datname = current_database()"
        wait_until(lambda: moving.done() or bool(shop.sql(waits)), "the command does not wait")
        for _ in range(20):
            begun = time.monotonic()
            generate(shop, seller, 1)
            slowest = max(slowest, time.monotonic() - begun)
        assert not moving.done()
        reader.rollback()
        assert len(moving.result()) == 2
    assert slowest < 4


@pytest.mark.nightly
@pytest.mark.parametrize("partners_first", [False, True])
def test_months_leave_and_come_back_while_many_write(
    shop: Shop, tmp_path: Path, *, partners_first: bool
) -> None:
    """The foreign key locks the partners after the events. A request can lock them before."""
    [partner] = shop.sql("SELECT min(partner_id) AS id FROM partners")
    is_done = threading.Event()

    def write() -> int:
        written = 0
        with psycopg.connect(shop.dsn, autocommit=True) as connection:
            while not is_done.is_set():
                with connection.transaction():
                    if partners_first:
                        connection.execute(b"SELECT FROM partners")
                    connection.execute(
                        b"INSERT INTO audit_events (partner_id, event, actor, occurred_at) VALUES (%s, 'x', 'y', now())",
                        [partner["id"]],
                    )
                written += 1
        return written

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write) for _ in range(WRITERS)]
        try:
            archive(shop, tmp_path)
            Operator(shop.dsn).does("archive", "restore", str(OLD), "--from", str(tmp_path))
        finally:
            is_done.set()
    # No deadlock ended a write.
    assert all(each.result() for each in writing)
