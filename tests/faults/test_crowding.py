"""What is held or broken in the database, and whom it keeps waiting: only those who need just that."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from gate.conftest import gate_of, sold
from support.race import wait_until_something_waits_for_a_row
from support.service import Service, environment_for, running_service
from support.shop import Shop
from support.statements import undeclared

from premade.postgres import database
from premade.postgres.database import OTHER_CONNECTIONS_MIN, open_database
from premade.postgres.pool import LEFT_BY_ALL_KINDS, LEFT_BY_ONE_KIND, LOCK_TIMEOUT_MS
from premade.runtime.errors import Busy, DatabaseAway
from premade.runtime.settings import Settings

CLIENTS = 12
SALES = 5
UNDISTURBED_SECONDS_MAX = LOCK_TIMEOUT_MS / 1000 / 2
CONNECTIONS = Settings().database_connections_per_worker
OF_THE_SERVICE = (
    " FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'premade %% worker %%'"
    " AND backend_type = 'client backend'"
)


@pytest.fixture
def one_worker(own_dsn: str, tmp_path: Path) -> Iterator[Service]:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        yield service


@pytest.fixture
def shop(own_dsn: str, one_worker: Service) -> Shop:
    return Shop(own_dsn, one_worker.url)


def connections(shop: Shop) -> int:
    return len(shop.sql("SELECT pid" + OF_THE_SERVICE))


def timed(ask: Callable[[], list[httpx.Response]]) -> float:
    started = time.monotonic()
    assert {answer.status_code for answer in ask()} == {200}
    return time.monotonic() - started


def test_stock_that_is_held_keeps_no_other_partner_waiting(shop: Shop, own_dsn: str) -> None:
    crowd, other = shop.seller(), shop.seller()
    codes = other.tickets(SALES)
    with psycopg.connect(own_dsn) as holder, ThreadPoolExecutor(CLIENTS) as pool:
        holder.execute("SELECT FROM allotments WHERE product_id = %s FOR UPDATE", [crowd.product_id])
        waiting = [pool.submit(crowd.generate) for _ in range(CLIENTS)]
        wait_until_something_waits_for_a_row(shop, rows=OTHER_CONNECTIONS_MIN - LEFT_BY_ONE_KIND)
        took = timed(lambda: [other.activate(code) for code in codes])
        took += timed(lambda: [other.http.get(f"/api/ota/tickets/{code}") for code in codes])
        opened = connections(shop)
        holder.rollback()
        answers = [answer.result(30) for answer in waiting]

    assert took < UNDISTURBED_SECONDS_MAX
    assert {answer.status_code for answer in answers} == {201}
    assert opened <= CONNECTIONS


@pytest.mark.nightly
def test_stock_that_is_held_for_too_long_is_answered_503_busy_to_all_who_want_it(
    shop: Shop, own_dsn: str
) -> None:
    crowd = shop.seller()
    with psycopg.connect(own_dsn) as holder, ThreadPoolExecutor(CLIENTS) as pool:
        holder.execute("SELECT FROM allotments WHERE product_id = %s FOR UPDATE", [crowd.product_id])
        waiting = [pool.submit(crowd.generate) for _ in range(CLIENTS)]
        answers = [answer.result(30) for answer in waiting]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "BUSY")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert crowd.generate().status_code == 201


@pytest.mark.nightly
def test_tickets_that_are_held_for_sales_and_at_the_gate_keep_no_reader_waiting(
    shop: Shop, own_dsn: str
) -> None:
    crowd, other = shop.seller(), shop.seller()
    unsold, at_gate = crowd.tickets(CLIENTS), sold(crowd, CLIENTS)
    gate, [free] = gate_of(shop, crowd.name), other.tickets(1)
    held = unsold + [ticket.code for ticket in at_gate]
    with psycopg.connect(own_dsn) as holder, ThreadPoolExecutor(2 * CLIENTS) as pool:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = ANY(%s) FOR UPDATE", [held])
        waiting = [pool.submit(crowd.activate, code) for code in unsold]
        wait_until_something_waits_for_a_row(shop, rows=OTHER_CONNECTIONS_MIN - LEFT_BY_ONE_KIND)
        waiting += [pool.submit(gate.redeem, ticket) for ticket in at_gate]
        wait_until_something_waits_for_a_row(shop, rows=OTHER_CONNECTIONS_MIN - LEFT_BY_ALL_KINDS)
        took = timed(lambda: [other.http.get(f"/api/ota/tickets/{free}") for _ in range(SALES)])
        holder.rollback()
        answers = [answer.result(30) for answer in waiting]

    assert took < UNDISTURBED_SECONDS_MAX
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.nightly
def test_when_all_connections_break_only_what_is_under_way_fails(shop: Shop, own_dsn: str) -> None:
    seller = shop.seller()
    codes = seller.tickets(SALES)
    deadline = time.monotonic() + 30
    with ThreadPoolExecutor(4 * CLIENTS) as pool, psycopg.connect(own_dsn, autocommit=True) as observer:
        while connections(shop) < CONNECTIONS - 1:
            assert time.monotonic() < deadline, "the pool does not grow"
            list(pool.map(lambda _: seller.http.get("/api/ota/inventory"), range(4 * CLIENTS)))
        observer.execute("SELECT pg_terminate_backend(pid)" + OF_THE_SERVICE)
        answers = [seller.activate(code, headers={"Idempotency-Key": code}) for code in codes]

    failed = [answer for answer in answers if answer.status_code != 200]
    assert len(failed) <= 1
    assert {answer.json()["code"] for answer in failed} <= {"DATABASE_AWAY"}
    again = [seller.activate(code, headers={"Idempotency-Key": code}) for code in codes]
    assert {answer.status_code for answer in again} == {200}
    assert len(shop.sql("SELECT FROM ota_orders")) == SALES


@pytest.mark.parametrize(("has_answered", "refusal"), [(True, Busy), (False, DatabaseAway)])
def test_a_pool_that_others_have_whole_is_busy_where_the_server_is_known_to_answer(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch, *, has_answered: bool, refusal: type[Exception]
) -> None:
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.2)

    async def one_more(database: Any, _: Any) -> None:
        if has_answered:
            async with database.single_statement() as one:
                await one.fetch_all(undeclared("one", b"SELECT 1 AS one"))
        async with database.transaction():  # The only connection.
            with pytest.raises(refusal):
                async with database.single_statement():
                    pass
        async with database.single_statement():
            pass

    Shop(own_dsn, "").operate(one_more)


def test_every_number_of_connections_serves_what_waits_beside_what_does_not(own_dsn: str) -> None:
    async def run(connections_max: int) -> None:
        async with open_database(own_dsn, connections_max) as opened:
            async with asyncio.timeout(5):
                for one in (opened, opened.for_batches, opened.for_blocking_writes()):
                    async with one.transaction():
                        pass
                async with opened.long_read():
                    pass

    for connections_max in (1, 2, 3, OTHER_CONNECTIONS_MIN, OTHER_CONNECTIONS_MIN + 1, CONNECTIONS):
        asyncio.run(run(connections_max))
