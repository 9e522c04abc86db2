"""What was not sold by its last day of sale expires, and its stock returns."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import past
from support.service import environment_for, running_service
from support.shop import Seller, Shop
from support.taking_back import assert_books_balance, events, issued
from support.terminal import Operator

from premade.audit.actors import COMMAND_ACTOR, SERVICE
from premade.expiry import expire as action
from premade.expiry.expire import Pass, expire_now

LAST_DAY = date(2026, 3, 31)
SECONDS_MAX = 120


@pytest.fixture
def before(empty_shop: Shop) -> Shop:
    return past.at_moment(empty_shop, "2026-03-31T12:00:00Z")


@pytest.fixture
def after(empty_shop: Shop) -> Shop:
    return past.at_moment(empty_shop, "2026-04-01T00:00:00Z")


def states(shop: Shop, seller: Seller) -> dict[str, int]:
    rows = shop.sql(
        "SELECT status, count(*) AS tickets FROM pre_generated_tickets WHERE partner_id = %s GROUP BY status",
        seller.partner_id,
    )
    return {row["status"]: row["tickets"] for row in rows}


def large_batch(shop: Shop, seller: Seller, batches: int = 1) -> None:
    """Batches of 1,000 tickets."""
    for number in range(batches):
        past.generate(shop, seller, 1_000, batch_id=f"B{number}", valid_until=LAST_DAY)


def test_unsold_tickets_expire_and_are_stock_again_and_sold_ones_stay(before: Shop, after: Shop) -> None:
    seller = before.seller()
    sold, *_ = past.generate(before, seller, 5, valid_until=LAST_DAY).tickets
    past.generate(before, seller, 2, valid_until=LAST_DAY + timedelta(days=1))
    past.generate(before, seller, 1)
    past.activate(before, seller, sold.ticket_code)

    found = past.expire(after)

    assert found == Pass(due=1, ended=1, expired=4)
    assert states(after, seller) == {"ACTIVE": 1, "EXPIRED": 4, "PRE_GENERATED": 3}
    assert issued(after, seller) == 4
    assert_books_balance(after, seller)
    assert past.expire(after) == Pass()


def test_each_has_its_event(before: Shop, after: Shop) -> None:
    seller = before.seller()
    batch = past.generate(before, seller, 2, batch_id="B1", valid_until=LAST_DAY)
    past.expire(after)

    told = events(after, seller, "ticket.expired")

    assert [event["ticket_code"] for event in told] == [ticket.ticket_code for ticket in batch.tickets]
    assert {(event["actor"], event["batch_id"], event["request_id"]) for event in told} == {
        (SERVICE, "B1", None)
    }
    assert told[0]["data"] == {"valid_until": "2026-03-31"}
    assert told[0]["occurred_at"] == datetime(2026, 4, 1, tzinfo=UTC)
    [row] = after.sql("SELECT expired_at FROM batches WHERE partner_id = %s", seller.partner_id)
    assert row["expired_at"] == datetime(2026, 4, 1, tzinfo=UTC)


def test_the_stock_that_returns_can_be_sold_again(before: Shop, after: Shop) -> None:
    seller = before.seller(stock=3)
    past.generate(before, seller, 3, valid_until=LAST_DAY)
    past.expire(after)

    assert len(past.generate(after, seller, 3).tickets) == 3
    assert_books_balance(after, seller)


def test_a_batch_goes_in_transactions_of_500_tickets(before: Shop, after: Shop) -> None:
    seller = before.seller(stock=5_000)
    past.generate(before, seller, 1_200, valid_until=LAST_DAY)
    seen: list[Pass] = []

    done = after.operate(lambda database, runtime: expire_now(database, runtime, seen.append))

    rows = after.sql(
        "SELECT count(*) AS tickets FROM audit_events WHERE event = 'ticket.expired' GROUP BY transaction_id"
    )
    assert sorted(row["tickets"] for row in rows) == [200, 500, 500]
    assert [found.expired for found in seen] == [500, 1_000, 1_200]
    assert done == Pass(due=0, ended=1, expired=1_200)
    assert_books_balance(after, seller)


def test_more_batches_than_a_pass_takes_are_done_in_several(
    before: Shop, after: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "BATCHES_A_PASS_MAX", 2)
    seller = before.seller()
    for _ in range(5):
        past.generate(before, seller, 2, valid_until=LAST_DAY)
    seen: list[Pass] = []

    done = after.operate(lambda database, runtime: expire_now(database, runtime, seen.append))

    assert done == Pass(due=0, ended=5, expired=10)
    assert [(found.ended, found.expired) for found in seen] == [(n, 2 * n) for n in range(1, 6)]
    assert all(found.due >= found.ended for found in seen)


def test_what_an_activation_is_selling_at_that_moment_does_not_expire(before: Shop, after: Shop) -> None:
    seller = before.seller()
    held, *_ = past.generate(before, seller, 3, valid_until=LAST_DAY).tickets
    with psycopg.connect(before.dsn) as sale:
        sale.execute(
            "SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [held.ticket_code]
        )
        beside = past.expire(after)
        by_command = after.operate(lambda database, runtime: expire_now(database, runtime, lambda _: None))
        assert past.state(after, held.ticket_code) == "PRE_GENERATED"
        assert issued(after, seller) == 1
        sale.rollback()
    # The sale that began before midnight is done; nothing of the batch is left to expire.
    past.activate(before, seller, held.ticket_code)

    assert beside == Pass(due=1, ended=0, expired=2)
    assert by_command == Pass(due=1, ended=0, expired=0)
    assert past.expire(after) == Pass(due=1, ended=1, expired=0)
    assert states(after, seller) == {"ACTIVE": 1, "EXPIRED": 2}
    assert_books_balance(after, seller)


def test_a_batch_that_is_being_cancelled_is_left_to_the_next_pass(before: Shop, after: Shop) -> None:
    seller = before.seller()
    past.generate(before, seller, 2, valid_until=LAST_DAY)
    other = past.generate(before, seller, 2, valid_until=LAST_DAY)
    with psycopg.connect(before.dsn) as canceller:
        canceller.execute("SELECT FROM batches WHERE batch_id <> %s FOR NO KEY UPDATE", [other.batch_id])
        assert past.expire(after) == Pass(due=2, ended=1, expired=2)
        canceller.rollback()

    assert past.expire(after) == Pass(due=1, ended=1, expired=2)


@pytest.mark.nightly
def test_one_process_expires_at_a_time_and_the_command_waits_for_its_turn(before: Shop, after: Shop) -> None:
    seller = before.seller()
    past.generate(before, seller, 2, valid_until=LAST_DAY)
    with psycopg.connect(before.dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [action.EXPIRY_LOCK])
        assert past.expire(after) == Pass(due=1, ended=0, expired=0)
        operator = Operator(before.dsn)
        waiting = subprocess.Popen(
            [sys.executable, "-m", "premade", "expire", "--json"],
            env=environment_for(operator.dsn),
            stdout=subprocess.PIPE,
            text=True,
        )
        asked = "SELECT FROM pg_stat_activity WHERE query LIKE '%%pg_try_advisory_xact_lock%%' AND pid <> pg_backend_pid()"
        wait_until(lambda: bool(before.sql(asked)))
        assert states(after, seller) == {"PRE_GENERATED": 2}
        other.rollback()
    told, _ = waiting.communicate(timeout=SECONDS_MAX)

    assert (waiting.returncode, told.count('"tickets": 2')) == (0, 1), told
    assert states(after, seller) == {"EXPIRED": 2}


def test_the_operator_expires_by_command(before: Shop) -> None:
    seller = before.seller()
    past.generate(before, seller, 3, valid_until=LAST_DAY)
    operator = Operator(before.dsn)

    shown = operator.does("expire")
    again = operator.shows("expire")

    assert shown == {"tickets": 3, "batches": 1, "batches_in_use": 0}
    assert again.split() == ["tickets", "0", "batches", "0", "batches_in_use", "0"]
    assert {event["actor"] for event in events(before, seller, "ticket.expired")} == {COMMAND_ACTOR}
    assert_books_balance(before, seller)


@pytest.mark.nightly
def test_the_service_expires_by_itself(before: Shop, tmp_path: Path) -> None:
    seller = before.seller()
    past.generate(before, seller, 3, batch_id="B1", valid_until=LAST_DAY, idempotency_key="k")

    with running_service(environment_for(before.dsn), tmp_path / "log") as service:
        wait_until(lambda: states(before, seller) == {"EXPIRED": 3})
        [line] = [line for line in service.log_lines() if line["event"] == "ota.tickets.expired"]

    assert (line["batches"], line["tickets"]) == (1, 3)
    assert_books_balance(before, seller)


@pytest.mark.nightly
def test_kill_9_anywhere_leaves_each_transaction_whole_and_the_next_goes_on(before: Shop) -> None:
    seller = before.seller(stock=100_000)
    large_batch(before, seller, 6)

    for _ in range(3):
        already = states(before, seller).get("EXPIRED", 0)
        running = subprocess.Popen(
            [sys.executable, "-m", "premade", "expire", "--json"],
            env=environment_for(before.dsn),
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda already=already: states(before, seller).get("EXPIRED", 0) > already)
        os.kill(running.pid, signal.SIGKILL)
        running.wait(SECONDS_MAX)
        assert_books_balance(before, seller)
    Operator(before.dsn).does("expire")

    assert states(before, seller) == {"EXPIRED": 6_000}
    assert_books_balance(before, seller)


def wait_until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_figures_of_unused_tickets_follow(before: Shop, after: Shop) -> None:
    seller = before.seller()
    past.generate(before, seller, 4, valid_until=LAST_DAY)
    past.expire(after)

    [row] = after.sql(
        "SELECT sum(unused_change) AS unused FROM ticket_deltas WHERE partner_id = %s", seller.partner_id
    )
    assert row["unused"] == 0
