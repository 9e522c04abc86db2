"""Many at once: no ticket is sold twice, no stock is sold that is not there, a retry makes nothing new."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from support.race import at_once, deadlocks, wait_until_something_waits_for_a_row
from support.shop import CUSTOMER, Seller, Shop, unique

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.partners.keyring import Caller
from premade.postgres.pool import LOCK_TIMEOUT_MS

SALE = {"customer_details": CUSTOMER, "payment_reference": "PAY-1"}


def activate(code: str, **headers: str) -> Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]:
    return lambda client, _: client.post(f"/api/ota/tickets/{code}/activate", json=SALE, headers=headers)


def generate(
    body: dict[str, Any], **headers: str
) -> Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]:
    return lambda client, _: client.post("/api/ota/tickets/bulk-generate", json=body, headers=headers)


def test_fifty_clients_on_one_ticket_make_one_sale(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, 50, activate(code))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    [winner] = [answer.json() for answer in answers if answer.status_code == 200]
    losers = [answer.json() for answer in answers if answer.status_code == 409]
    assert {loser["order_id"] for loser in losers} == {winner["order_id"]}
    assert {loser["activated_at"] for loser in losers} == {winner["activated_at"]}
    assert shop.sql("SELECT order_id FROM ota_orders WHERE partner_id = %s", seller.partner_id) == [
        {"order_id": winner["order_id"]}
    ]
    assert len(shop.sql("SELECT FROM audit_events WHERE ticket_code = %s", code)) == 1


def test_a_hundred_clients_on_the_last_250_of_stock_never_oversell(shop: Shop) -> None:
    seller = shop.seller(stock=250)

    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        body = {"product_id": seller.product_id, "quantity": number % 7 + 1, "batch_id": f"B{number}"}
        while True:
            answer = await client.post("/api/ota/tickets/bulk-generate", json=body)
            # On a slow machine the last of them wait for longer than a lock may be waited for.
            if answer.status_code != 503:
                return answer
            assert answer.json()["code"] == "BUSY"

    answers = at_once(seller, 100, send)

    assert {answer.status_code for answer in answers} == {201, 409}
    sold = sum(answer.json()["total_generated"] for answer in answers if answer.status_code == 201)
    [allotment] = shop.sql("SELECT issued FROM allotments WHERE product_id = %s", seller.product_id)
    tickets = shop.sql("SELECT FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)
    # Whoever was refused, for at most 7, wanted more than was left: so at most 6 are left at the end.
    assert sold == allotment["issued"] == len(tickets)
    assert 244 <= sold <= 250
    assert all(answer.json()["code"] == "STOCK_SHORT" for answer in answers if answer.status_code == 409)


def test_one_idempotency_key_twenty_times_at_once_makes_one_batch(seller: Seller, shop: Shop) -> None:
    body = {"product_id": seller.product_id, "quantity": 10, "batch_id": unique("BATCH")}

    answers = at_once(seller, 20, generate(body, **{"Idempotency-Key": "once"}))

    assert Counter(answer.status_code for answer in answers) == {201: 20}
    assert len({answer.text for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 19}
    assert len(shop.sql("SELECT FROM batches WHERE partner_id = %s", seller.partner_id)) == 1
    assert len(shop.sql("SELECT FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)) == 10


def test_one_idempotency_key_twenty_times_at_once_makes_one_sale(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, 20, activate(code, **{"Idempotency-Key": "once"}))

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.text for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 19}
    assert len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)) == 1


def test_one_batch_id_from_twenty_clients_makes_one_batch(seller: Seller, shop: Shop) -> None:
    body = {"product_id": seller.product_id, "quantity": 5, "batch_id": unique("BATCH")}

    answers = at_once(seller, 20, generate(body))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {answer.json().get("code") for answer in answers} == {None, "BATCH_ID_TAKEN"}
    assert len(shop.sql("SELECT FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)) == 5


def test_one_idempotency_key_on_ten_tickets_at_once_sells_one(seller: Seller, shop: Shop) -> None:
    codes = seller.tickets(10)

    def send(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return activate(codes[number], **{"Idempotency-Key": "same"})(client, number)

    answers = at_once(seller, 10, send)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 9}
    statuses = shop.sql("SELECT status FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)
    assert Counter(row["status"] for row in statuses) == {"ACTIVE": 1, "PRE_GENERATED": 9}
    assert len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)) == 1


def test_two_partners_at_once_do_not_disturb_each_other(shop: Shop) -> None:
    sellers = [shop.seller(), shop.seller()]
    codes = [seller.tickets(10) for seller in sellers]
    same = {"Idempotency-Key": "same"}

    def of(number: int) -> tuple[Seller, list[str], dict[str, str]]:
        seller = sellers[number % 2]
        return seller, codes[number % 2], {"X-API-Key": seller.key}

    def make(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        seller, _, key = of(number)
        body = {"product_id": seller.product_id, "quantity": 5, "batch_id": "SAME"}
        return generate(body, **key, **same)(client, number)

    def sell(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        _, own, key = of(number)
        retried = same if number < 10 else {}
        return activate(own[0 if retried else number // 2], **key, **retried)(client, number)

    def steal(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        _, _, key = of(number + 1)
        return activate(of(number)[1][number // 2], **key)(client, number)

    assert Counter(answer.status_code for answer in at_once(sellers[0], 20, make)) == {201: 20}
    assert Counter(answer.status_code for answer in at_once(sellers[0], 20, steal)) == {404: 20}
    assert Counter(answer.status_code for answer in at_once(sellers[0], 20, sell)) == {200: 20}
    for seller in sellers:
        assert len(shop.sql("SELECT FROM batches WHERE partner_id = %s", seller.partner_id)) == 2
        # Five retries of one sale, and five sales.
        assert len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)) == 6


@pytest.mark.nightly
def test_two_hundred_tickets_at_once_are_all_sold_once(seller: Seller, shop: Shop) -> None:
    codes = [*seller.tickets(100), *seller.tickets(100)]

    def send(client: httpx.AsyncClient, number: int) -> Awaitable[httpx.Response]:
        return activate(codes[number])(client, number)

    answers = at_once(seller, 200, send)

    assert Counter(answer.status_code for answer in answers) == {200: 200}
    assert len({answer.json()["order_id"] for answer in answers}) == 200
    pairs = shop.sql(
        "SELECT ticket_code, order_id FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
    )
    assert {(row["ticket_code"], row["order_id"]) for row in pairs} == {
        (answer.json()["ticket_code"], answer.json()["order_id"]) for answer in answers
    }


@pytest.mark.nightly
def test_sales_beside_cancelling_and_expiring_never_deadlock(shop: Shop) -> None:
    seller = shop.seller(stock=600)
    codes = [code for _ in range(6) for code in seller.tickets(100)]
    change = "UPDATE pre_generated_tickets SET status = %s WHERE ticket_code = ANY(%s) AND status = 'PRE_GENERATED'"
    random = Random(6)
    before = deadlocks(shop)

    def take_back(status: str) -> None:
        with psycopg.connect(shop.dsn, autocommit=True) as connection:
            for _ in range(40):
                connection.execute(change, [status, random.sample(codes, 12)])

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(take_back, status) for status in ("CANCELLED", "EXPIRED")]
        answers = at_once(
            seller, 64, lambda client, number: one_after_another(client, codes[number::64], random)
        )
        for other in others:
            other.result()

    assert {answer.status_code for answer in answers} == {200}
    rows = shop.sql(
        "SELECT t.status, count(*) AS tickets, count(o.order_id) AS orders FROM pre_generated_tickets t"
        " LEFT JOIN ota_orders o USING (partner_id, order_id) WHERE t.partner_id = %s GROUP BY t.status",
        seller.partner_id,
    )
    found = {row["status"]: (row["tickets"], row["orders"]) for row in rows}
    assert set(found) == {"ACTIVE", "CANCELLED", "EXPIRED"}
    assert found["ACTIVE"][0] == found["ACTIVE"][1]
    assert found["CANCELLED"][1] == found["EXPIRED"][1] == 0
    assert deadlocks(shop) == before


async def one_after_another(client: httpx.AsyncClient, codes: list[str], random: Random) -> httpx.Response:
    """The last answer; each is that of a sale or of a ticket that was taken back."""
    for code in random.sample(codes, len(codes)):
        answer = await activate(code)(client, 0)
        told = answer.json().get("code")
        assert (answer.status_code, told) in {
            (200, None), (409, "TICKET_CANCELLED"), (409, "TICKET_EXPIRED")
        }, answer.text  # fmt: skip
    return await client.get("/api/ota/inventory")


def test_an_activation_waits_for_whoever_holds_the_ticket(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [code])
        answer = pool.submit(seller.activate, code)
        wait_until_something_waits_for_a_row(shop)
        assert not answer.done()
        holder.rollback()
        assert answer.result(30).status_code == 200


def test_a_ticket_that_is_held_for_too_long_is_answered_503_and_left_as_it_was(
    seller: Seller, shop: Shop
) -> None:
    [code, free] = seller.tickets(2)
    with psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [code])
        answer = seller.activate(code)
        neighbour = seller.activate(free)
        left = shop.sql("SELECT status, order_id FROM pre_generated_tickets WHERE ticket_code = %s", code)
        orders = shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)
        holder.rollback()

    assert (answer.status_code, answer.json()["code"]) == (503, "BUSY")
    assert int(answer.headers["Retry-After"]) > 0
    assert left == [{"status": "PRE_GENERATED", "order_id": None}]
    assert (neighbour.status_code, len(orders)) == (200, 1)
    assert seller.activate(code).status_code == 200


def test_many_tickets_that_are_held_for_long_keep_no_other_waiting(seller: Seller, shop: Shop) -> None:
    held, free = seller.tickets(20), seller.tickets(5)
    with psycopg.connect(shop.dsn) as holder, ThreadPoolExecutor(len(held)) as pool:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = ANY(%s) FOR UPDATE", [held])
        waiting = [pool.submit(seller.activate, code) for code in held]
        wait_until_something_waits_for_a_row(shop)
        started = time.monotonic()
        sold = [seller.activate(code).status_code for code in free]
        took = time.monotonic() - started
        holder.rollback()
        answers = [answer.result(30) for answer in waiting]

    assert sold == [200] * len(free)
    assert took < LOCK_TIMEOUT_MS / 1000 / 2
    assert {answer.status_code for answer in answers} == {200}


def test_a_malformed_code_that_has_to_be_tried_alone_is_unknown(seller: Seller, shop: Shop) -> None:
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    asked = Activation(caller, "r", "A\0", "n", "e@example.com", "+1234567890", "pay")

    outcome = shop.operate(lambda database, runtime: Activator(database, runtime)._activate_alone(asked))

    assert outcome.outcome == "unknown"
