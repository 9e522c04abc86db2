"""The service is killed in the middle of its work: what it did is whole or absent, and a retry is safe."""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.plain_http import NO_TLS
from support.processes import wait_until, wait_until_gone, workers
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.wire import Answer, activation, send_behind, wires

from premade.runtime.clock import rfc3339

QUANTITY = 40
CLIENTS = 3
IN_THE_QUEUE = 30
LEAVE_SECONDS_MAX = 10
# With tries after 1, 3, 7, 15 and 31 seconds, the next one would be a quarter of a minute away.
AWAY_SECONDS = 17
FOUND_AGAIN_SECONDS_MAX = 10


def generate_until_it_fails(seller: Seller, client: int, started: threading.Event) -> list[str]:
    """The batches that were sent; of the last one nobody knows whether it was made."""
    sent: list[str] = []
    with httpx.Client(
        base_url=seller.http.base_url, headers=seller.http.headers, trust_env=False, verify=NO_TLS
    ) as http:
        mine = replace(seller, http=http)
        for number in range(10_000):
            batch_id = f"B{client}-{number}"
            sent.append(batch_id)
            try:
                answer = mine.generate(QUANTITY, batch_id=batch_id, headers={"Idempotency-Key": batch_id})
            except httpx.TransportError:
                return sent
            assert answer.status_code == 201
            if number == 3:
                started.set()
    return sent


def batches(shop: Shop, seller: Seller) -> dict[str, int]:
    rows = shop.sql(
        "SELECT b.batch_id, count(t.ticket_id) AS tickets FROM batches b LEFT JOIN pre_generated_tickets t"
        " USING (partner_id, batch_id) WHERE b.partner_id = %s GROUP BY b.batch_id",
        seller.partner_id,
    )
    return {row["batch_id"]: row["tickets"] for row in rows}


def assert_whole(shop: Shop, seller: Seller) -> None:
    made = batches(shop, seller)
    assert set(made.values()) <= {QUANTITY}
    [allotment] = shop.sql("SELECT issued FROM allotments WHERE product_id = %s", seller.product_id)
    assert allotment["issued"] == sum(made.values())
    events = shop.sql("SELECT batch_id FROM audit_events WHERE event = 'batch.generated'")
    assert sorted(row["batch_id"] for row in events) == sorted(made)


@pytest.mark.parametrize("everything", [False, True], ids=["workers", "everything"])
@pytest.mark.nightly
def test_kill_9_in_the_middle_of_generation_leaves_each_batch_whole_or_absent(
    own_dsn: str, tmp_path: Path, *, everything: bool
) -> None:
    started = threading.Event()
    with (
        running_service(environment_for(own_dsn), tmp_path / "log") as service,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        shop = Shop(own_dsn, service.url)
        seller = shop.seller(stock=1_000_000)
        clients = [pool.submit(generate_until_it_fails, seller, client, started) for client in range(CLIENTS)]
        assert started.wait(30)
        victims = workers(service)
        if everything:
            service.process.kill()
        for worker in victims:
            worker.kill()
        sent = [client.result(30) for client in clients]
    assert_whole(shop, seller)
    made = set(batches(shop, seller))
    assert all(made >= set(of_one[:-1]) for of_one in sent), "a batch is lost that was answered"

    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        seller.http.base_url = service.url
        for batch_id in (batch_id for of_one in sent for batch_id in of_one[-3:]):
            headers = {"Idempotency-Key": batch_id}
            first, again = (seller.generate(QUANTITY, batch_id=batch_id, headers=headers) for _ in range(2))
            assert (first.status_code, again.status_code) == (201, 201)
            assert first.json() == again.json()
            replayed = first.headers.get("Idempotency-Replayed") == "true"
            assert replayed is (batch_id in made)
    assert_whole(shop, seller)
    assert set(batches(shop, seller)) == {batch_id for of_one in sent for batch_id in of_one}


@pytest.mark.nightly
def test_a_killed_worker_comes_back(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        [worker] = workers(service)
        worker.kill()
        deadline = time.monotonic() + 30
        while not (found := [one for one in workers(service) if one.pid != worker.pid]):
            assert time.monotonic() < deadline
        assert found
        while True:
            try:
                assert httpx.get(f"{service.url}/readyz", trust_env=False, verify=NO_TLS).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline


@pytest.mark.nightly
def test_workers_leave_when_their_parent_is_killed_outright(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        children = workers(service)
        assert len(children) == 2
        service.process.kill()
        wait_until_gone(children)


@pytest.mark.nightly
def test_lost_connections_to_the_database_are_answered_503_and_come_back(
    own_dsn: str, tmp_path: Path
) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(own_dsn, service.url)
        seller = shop.seller()
        codes = seller.tickets(20)
        shop.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'premade %% worker %%'"
        )
        answers = [seller.activate(code, headers={"Idempotency-Key": code}) for code in codes]
        for answer in answers:
            assert answer.status_code in {200, 503}
            if answer.status_code == 503:
                assert answer.json()["code"] == "DATABASE_AWAY"
                assert int(answer.headers["Retry-After"]) > 0
        again = [seller.activate(code, headers={"Idempotency-Key": code}) for code in codes]
        assert {answer.status_code for answer in again} == {200}
        assert len(shop.sql("SELECT order_id FROM ota_orders")) == 20


@pytest.mark.nightly
def test_a_database_that_was_away_for_a_while_is_found_again_within_seconds(
    own_dsn: str, dsn: str, tmp_path: Path
) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        seller = Shop(own_dsn, service.url).seller()
        [code] = seller.tickets()
        name = conninfo_to_dict(own_dsn)["dbname"]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            ends = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < ends:
                assert seller.activate(code).status_code == 503
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        back = time.monotonic()
        while seller.activate(code, headers={"Idempotency-Key": "k"}).status_code != 200:
            assert time.monotonic() < back + FOUND_AGAIN_SECONDS_MAX, "it does not come back"
        assert time.monotonic() < back + FOUND_AGAIN_SECONDS_MAX


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.nightly
def test_a_signal_ends_the_service_after_what_is_under_way(own_dsn: str, tmp_path: Path, number: int) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log") as service:
        seller = Shop(own_dsn, service.url).seller()
        assert seller.generate(1).status_code == 201
        seller.http.close()
        children = workers(service)
        os.kill(service.process.pid, number)
        assert service.process.wait(LEAVE_SECONDS_MAX) == 0
        wait_until_gone(children)


@pytest.mark.nightly
def test_sigterm_lets_a_sale_that_is_under_way_be_answered(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(own_dsn, service.url)
        seller = shop.seller()
        [code] = seller.tickets()
        with ThreadPoolExecutor(1) as pool, psycopg.connect(own_dsn) as holder:
            holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [code])
            answer = pool.submit(seller.activate, code)
            waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            wait_until(lambda: bool(shop.sql(waits)), "nobody waits for the ticket")
            service.process.terminate()
            wait_until(lambda: takes_nothing_new(service), "it goes on taking requests")
            assert not answer.done()
            holder.rollback()
            assert answer.result(30).status_code == 200
        assert service.process.wait(LEAVE_SECONDS_MAX) == 0
    assert len(shop.sql("SELECT FROM ota_orders")) == 1


@pytest.mark.nightly
def test_sigterm_lets_every_sale_in_the_queue_be_answered(own_dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(own_dsn, service.url)
        seller = shop.seller()
        sends = [activation(seller, code) for code in seller.tickets(IN_THE_QUEUE + 1)]

        async def run() -> list[Answer]:
            async with wires(service, len(sends)) as (first, *rest):
                with psycopg.connect(own_dsn) as holder:
                    holder.execute("LOCK TABLE ota_orders IN EXCLUSIVE MODE")
                    await send_behind(service, shop, first, list(zip(rest, sends[1:], strict=True)), sends[0])
                    service.process.terminate()
                    await asyncio.to_thread(
                        wait_until, lambda: takes_nothing_new(service), "it goes on taking requests"
                    )
                    # All but the first wait in the worker, not in the database.
                    assert len(shop.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) == 1
                return await asyncio.gather(*(wire.answer() for wire in (first, *rest)))

        answers = asyncio.run(run())
        assert [answer.status for answer in answers] == [200] * len(sends)
        assert {answer.headers["connection"] for answer in answers} == {"close"}
        assert service.process.wait(LEAVE_SECONDS_MAX) == 0
    orders = shop.sql("SELECT order_id FROM ota_orders ORDER BY order_id")
    assert [order["order_id"] for order in orders] == sorted(answer.json()["order_id"] for answer in answers)


def takes_nothing_new(service: Service) -> bool:
    try:
        httpx.get(f"{service.url}/healthz", timeout=0.3, trust_env=False, verify=NO_TLS)
    except httpx.TransportError:
        return True
    return False


@pytest.mark.nightly
def test_what_a_device_did_while_it_was_away_is_settled_once_though_the_service_is_killed_meanwhile(
    own_dsn: str, tmp_path: Path
) -> None:
    def upload(shop: Shop, key: str) -> httpx.Response:
        return shop.client(key).post("/api/gate/redemptions/sync", json=sent)

    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(own_dsn, service.url)
        seller = shop.seller()
        key = shop.key(seller.name, ["gate:redeem"]).key
        tickets = seller.generate(QUANTITY).json()["tickets"]
        for ticket in tickets:
            assert seller.activate(ticket["ticket_code"]).status_code == 200
        scanned_at = rfc3339(shop.runtime.now())
        sent = {
            "device_id": "GATE-7",
            "redemptions": [
                {
                    "scan_id": f"{place}",
                    "qr": ticket["qr_token"],
                    "function_code": "ferry",
                    "scanned_at": scanned_at,
                }
                for place, ticket in enumerate(tickets)
            ],
        }
        # Held by another transaction: the upload has begun, and cannot end.
        with psycopg.connect(own_dsn) as holder, ThreadPoolExecutor() as pool:
            holder.execute(
                "SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE",
                [tickets[-1]["ticket_code"]],
            )
            answer = pool.submit(upload, shop, key)
            deadline = time.monotonic() + LEAVE_SECONDS_MAX
            while not shop.sql(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                assert time.monotonic() < deadline
            for process in [*workers(service), psutil.Process(service.process.pid)]:
                process.kill()
            with pytest.raises(httpx.TransportError):
                answer.result()
    assert (
        shop.sql("SELECT FROM audit_events WHERE event LIKE '%%redeem%%' OR event LIKE '%%redemption%%'")
        == []
    )

    with running_service(environment_for(own_dsn), tmp_path / "log", workers=1) as service:
        first, again = (upload(replace(shop, url=service.url), key).json() for _ in range(2))
    assert (first["accepted"], first["conflicts"]) == (QUANTITY, 0)
    assert [each["outcome"] for each in again["results"]] == [each["outcome"] for each in first["results"]]
    assert len(shop.sql("SELECT FROM audit_events WHERE event = 'ticket.redeemed'")) == QUANTITY
