"""What a partner sees of the queue: when it is full, when another in the same statement is bad or waits, when it leaves."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from support.processes import wait_until
from support.race import wait_until_something_waits_for_a_row
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.wire import Answer, Wire, activation, send_behind, wait_until_all_has_arrived, wires

from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.runtime.batching import QUEUE_ITEMS_MAX

OF_ONE_MAX = QUEUE_ITEMS_MAX // 2
TOO_MANY = 50
NEIGHBOURS = 20
RULE = "never_sold"
HOLD_ALL_SALES = "LOCK TABLE ota_orders IN EXCLUSIVE MODE"


@dataclass
class Stand:
    """A service with one worker, and so one queue; a partner of it."""

    service: Service
    shop: Shop
    seller: Seller

    def orders(self) -> list[dict[str, Any]]:
        return self.shop.sql(
            "SELECT * FROM ota_orders WHERE partner_id = %s AND customer_name = 'John Smith' ORDER BY order_id",
            self.seller.partner_id,
        )

    def assert_together(self, requests: list[str]) -> None:
        """By the log, one statement that failed had all of these, and only these."""
        failed = [line for line in self.service.log_lines() if line["event"] == "activation.statement_failed"]
        assert requests in [line["request_ids"] for line in failed], failed


@pytest.fixture(scope="module")
def one_worker(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("one_worker") / "log"
    # All clients of these tests have one address.
    environment = environment_for(dsn, PREMADE_CONNECTIONS_PER_ADDRESS_MAX="5000")
    with running_service(environment, log, workers=1) as service:
        yield service


@pytest.fixture
def stand(dsn: str, one_worker: Service) -> Stand:
    shop = Shop(dsn, one_worker.url)
    return Stand(one_worker, shop, shop.seller(stock=10_000))


async def answers(those: list[Wire]) -> list[Answer]:
    return await asyncio.gather(*(wire.answer() for wire in those))


@pytest.mark.nightly
def test_a_full_queue_is_told_when_to_try_again_and_whoever_waits_gets_the_ticket(stand: Stand) -> None:
    clients = 1 + OF_ONE_MAX + TOO_MANY
    codes = [code for _ in range(0, clients, 100) for code in stand.seller.tickets(100)]
    sends = [activation(stand.seller, code) for code in codes[:clients]]

    async def run() -> tuple[list[Answer], list[Answer]]:
        async with wires(stand.service, clients) as (first, *rest):
            with psycopg.connect(stand.shop.dsn) as holder:
                holder.execute(HOLD_ALL_SALES)
                await send_behind(
                    stand.service, stand.shop, first, list(zip(rest, sends[1:], strict=True)), sends[0]
                )
                refused = await answers(rest[OF_ONE_MAX:])
            return refused, await answers([first, *rest[:OF_ONE_MAX]])

    refused, served = asyncio.run(run())

    assert {(answer.status, answer.json()["code"]) for answer in refused} == {(503, "QUEUE_FULL")}
    assert {answer.headers["content-type"] for answer in refused} == {"application/problem+json"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert Counter(answer.status for answer in served) == {200: 1 + OF_ONE_MAX}
    assert sorted(answer.json()["order_id"] for answer in served) == [
        order["order_id"] for order in stand.orders()
    ]
    # Nothing was changed for whoever was refused: the next try sells.
    assert {stand.seller.activate(code).status_code for code in codes[1 + OF_ONE_MAX : clients]} == {200}


def test_one_that_fails_the_statement_is_answered_alone_and_takes_no_neighbour_down(stand: Stand) -> None:
    codes = stand.seller.tickets(1 + NEIGHBOURS)
    bad = NEIGHBOURS // 2
    requests = [unique("request") for _ in codes]
    sends = [
        activation(
            stand.seller,
            code,
            headers={"Idempotency-Key": code, "X-Request-Id": requests[number]},
            payment_reference="PAY-BAD" if number == bad else "PAY-GOOD",
        )
        for number, code in enumerate(codes)
    ]

    async def run() -> list[Answer]:
        async with wires(stand.service, len(codes)) as (first, *rest):
            with psycopg.connect(stand.shop.dsn) as holder:
                holder.execute(HOLD_ALL_SALES)
                await send_behind(
                    stand.service, stand.shop, first, list(zip(rest, sends[1:], strict=True)), sends[0]
                )
            return await answers([first, *rest])

    stand.shop.sql(f"ALTER TABLE ota_orders ADD CONSTRAINT {RULE} CHECK (payment_reference <> 'PAY-BAD')")
    try:
        answered = asyncio.run(run())
    finally:
        stand.shop.sql(f"ALTER TABLE ota_orders DROP CONSTRAINT {RULE}")

    assert [answer.status for answer in answered] == [
        500 if number == bad else 200 for number in range(len(codes))
    ]
    stand.assert_together(requests[1:])
    assert [order["payment_reference"] for order in stand.orders()] == ["PAY-GOOD"] * NEIGHBOURS
    again = stand.seller.activate(
        codes[bad], headers={"Idempotency-Key": codes[bad]}, payment_reference="PAY-BAD"
    )
    assert again.status_code == 200
    assert "Idempotency-Replayed" not in again.headers


HOLD_THE_KEY = """INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone,
    payment_reference, total_amount, currency, operation, idempotency_key, request_digest, created_at, ticket_codes)
    VALUES (%s, %s, 'Mei Wong', 'mei@example.com', '+1234567890', 'PAY-2', 1, 'HKD', 'activate',
    'raced', '', now(), ARRAY['another'])"""


@pytest.mark.parametrize(
    ("end", "status"),
    [(psycopg.Connection.commit, 422), (psycopg.Connection.rollback, 200)],
    ids=["the other wins", "the other gives up"],
)
def test_a_key_that_another_transaction_is_about_to_take_keeps_no_neighbour_waiting(
    stand: Stand, end: Callable[[psycopg.Connection], None], status: int
) -> None:
    codes = stand.seller.tickets(2 + NEIGHBOURS)
    requests = [unique("request") for _ in codes]
    keys = ["first", "raced", *codes[2:]]
    sends = [
        activation(stand.seller, code, headers={"Idempotency-Key": key, "X-Request-Id": request})
        for code, key, request in zip(codes, keys, requests, strict=True)
    ]

    async def run() -> tuple[list[Answer], Answer]:
        async with wires(stand.service, len(codes)) as (first, racer, *neighbours):
            with psycopg.connect(stand.shop.dsn) as holder:
                holder.execute(HOLD_THE_KEY, [f"ORD-{stand.seller.partner_id:013d}", stand.seller.partner_id])
                holder.execute("SAVEPOINT without_the_lock")
                holder.execute(HOLD_ALL_SALES)
                rest = list(zip([racer, *neighbours], sends[1:], strict=True))
                await send_behind(stand.service, stand.shop, first, rest, sends[0])
                holder.execute("ROLLBACK TO SAVEPOINT without_the_lock")
                # Sooner than whoever would have waited for the key.
                async with asyncio.timeout(LOCK_TIMEOUT_MS / 1000):
                    served = await answers([first, *neighbours])
                await asyncio.to_thread(wait_until_something_waits_for_a_row, stand.shop)
                end(holder)
            return served, await racer.answer()

    served, raced = asyncio.run(run())

    assert Counter(answer.status for answer in served) == {200: 1 + NEIGHBOURS}
    assert raced.status == status, raced.body
    stand.assert_together(requests[1:])
    assert len(stand.orders()) == 1 + NEIGHBOURS + (status == 200)


def wait_until_blocked_by(shop: Shop, pid: int) -> None:
    """Wait until a session waits for a lock of the session `pid`. A sale that does not wait yet could come after its retry."""
    blocked = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    wait_until(lambda: bool(shop.sql(blocked, pid)), "no sale waits for the ticket")


@pytest.mark.parametrize(
    "hold",
    [HOLD_ALL_SALES, "SELECT FROM pre_generated_tickets WHERE ticket_code = '{}' FOR UPDATE"],
    ids=["in the statement of many", "alone"],
)
def test_a_sale_whose_client_hangs_up_is_completed_and_a_retry_is_answered_with_it(
    stand: Stand, hold: str
) -> None:
    first_code, second_code = stand.seller.tickets(2)
    keys = {code: {"Idempotency-Key": code} for code in (first_code, second_code)}
    first_sale, second_sale = (activation(stand.seller, code, headers=key) for code, key in keys.items())

    async def run() -> None:
        async with wires(stand.service, 2) as (first, second):
            with psycopg.connect(stand.shop.dsn) as holder:
                holder.execute(hold.format(first_code).encode())
                await send_behind(stand.service, stand.shop, first, [(second, second_sale)], first_sale)
                await asyncio.to_thread(wait_until_blocked_by, stand.shop, holder.info.backend_pid)
                first.hang_up()
                second.hang_up()
                await asyncio.to_thread(wait_until_all_has_arrived, stand.service)
                assert [first_code] not in [order["ticket_codes"] for order in stand.orders()]

    asyncio.run(run())

    # What is asked for later with the same key waits for the first.
    retries = [stand.seller.activate(code, headers=key) for code, key in keys.items()]
    assert [answer.status_code for answer in retries] == [200, 200]
    assert [answer.headers.get("Idempotency-Replayed") for answer in retries] == ["true", "true"]
    assert sorted(answer.json()["order_id"] for answer in retries) == [
        order["order_id"] for order in stand.orders()
    ]
