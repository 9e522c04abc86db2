"""Many orders at once over the same tickets: none is sold twice, nobody is refused while enough are left."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import psycopg
import pytest
from support.race import at_once, deadlocks, wait_until_something_waits_for_a_row
from support.shop import Seller, Shop, sale, unique

SALE = sale()
Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def draw(batch_id: str, quantity: int, **headers: str) -> Send:
    body = {**SALE, "quantity": quantity}
    return lambda client: client.post(f"/api/ota/batches/{batch_id}/activate", json=body, headers=headers)


def order(codes: list[str], **headers: str) -> Send:
    return lambda client: client.post(
        "/api/ota/orders", json={**SALE, "ticket_codes": codes}, headers=headers
    )


def activate(code: str) -> Send:
    return lambda client: client.post(f"/api/ota/tickets/{code}/activate", json=SALE)


def all_at_once(seller: Seller, sends: list[Send]) -> list[httpx.Response]:
    return at_once(seller, len(sends), lambda client, number: sends[number](client))


def new_batch(seller: Seller, quantity: int) -> tuple[str, list[str]]:
    batch_id = unique("BATCH")
    return batch_id, sorted(seller.tickets(quantity, batch_id=batch_id))


def sold_of(answer: httpx.Response) -> list[str]:
    body = answer.json()
    return (
        [ticket["ticket_code"] for ticket in body["tickets"]] if "tickets" in body else [body["ticket_code"]]
    )


def assert_each_ticket_has_one_order(shop: Shop, seller: Seller, answers: list[httpx.Response]) -> int:
    """What was answered is what the tables say, and no order stands without its tickets; answers how many are sold."""
    told = {
        code: answer.json()["order_id"]
        for answer in answers
        if answer.status_code == 200
        for code in sold_of(answer)
    }
    assert len(told) == sum(len(sold_of(answer)) for answer in answers if answer.status_code == 200)
    tickets = shop.sql(
        "SELECT ticket_code, order_id FROM pre_generated_tickets WHERE partner_id = %s AND status = 'ACTIVE'",
        seller.partner_id,
    )
    orders = shop.sql(
        "SELECT unnest(ticket_codes) AS ticket_code, order_id FROM ota_orders WHERE partner_id = %s",
        seller.partner_id,
    )
    events = shop.sql(
        "SELECT ticket_code, order_id FROM audit_events WHERE partner_id = %s AND event = 'ticket.activated'",
        seller.partner_id,
    )
    for rows in (tickets, orders, events):
        assert sorted((row["ticket_code"], row["order_id"]) for row in rows) == sorted(told.items())
    return len(told)


def test_draws_at_once_that_want_all_of_a_batch_get_all_of_it(seller: Seller, shop: Shop) -> None:
    batch_id, codes = new_batch(seller, 100)
    chance = random.Random(20)
    wanted = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 5, 5, 5]
    chance.shuffle(wanted)

    answers = all_at_once(seller, [draw(batch_id, quantity) for quantity in wanted])

    assert [answer.status_code for answer in answers] == [200] * len(wanted)
    assert [len(sold_of(answer)) for answer in answers] == wanted
    assert assert_each_ticket_has_one_order(shop, seller, answers) == len(codes)


def test_draws_at_once_that_want_more_than_there_is_leave_less_than_one_of_them_wants(
    seller: Seller, shop: Shop
) -> None:
    batch_id, _ = new_batch(seller, 100)
    before = deadlocks(shop)

    answers = all_at_once(seller, [draw(batch_id, 7) for _ in range(40)])

    assert Counter(answer.status_code for answer in answers) == {200: 14, 409: 26}
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(refusal["code"], refusal["available"]) for refusal in refusals} == {("BATCH_SHORT", 2)}
    assert assert_each_ticket_has_one_order(shop, seller, answers) == 98
    assert deadlocks(shop) == before


def test_draws_beside_single_activations_all_get_theirs_while_enough_are_left(
    seller: Seller, shop: Shop
) -> None:
    batch_id, codes = new_batch(seller, 100)
    sends = [draw(batch_id, 5) for _ in range(10)] + [activate(code) for code in codes[:50]]
    random.Random(3).shuffle(sends)
    before = deadlocks(shop)

    answers = all_at_once(seller, sends)

    drawn = [answer for answer in answers if answer.request.url.path.startswith("/api/ota/batches/")]
    assert [answer.status_code for answer in drawn] == [200] * 10
    singles = Counter(answer.json().get("code") for answer in answers if answer not in drawn)
    assert set(singles) <= {None, "ALREADY_ACTIVATED"}
    assert assert_each_ticket_has_one_order(shop, seller, answers) == 50 + singles[None]
    assert deadlocks(shop) == before


def test_orders_of_the_same_tickets_in_every_order_never_deadlock(seller: Seller, shop: Shop) -> None:
    _, codes = new_batch(seller, 40)
    chance = random.Random(4)
    wanted = [chance.sample(codes, chance.randint(1, 6)) for _ in range(60)]
    before = deadlocks(shop)

    answers = all_at_once(seller, [order(some) for some in wanted])

    assert {answer.status_code for answer in answers} == {200, 409}
    sold = assert_each_ticket_has_one_order(shop, seller, answers)
    taken = {code for answer in answers if answer.status_code == 200 for code in sold_of(answer)}
    for answer, some in zip(answers, wanted, strict=True):
        if answer.status_code == 409:
            told = {ticket["ticket_code"] for ticket in answer.json()["tickets"]}
            assert told, "refused, though every ticket was there"
            assert told <= taken & set(some)
            assert {ticket["code"] for ticket in answer.json()["tickets"]} == {"ALREADY_ACTIVATED"}
    assert sold == len(taken)
    assert deadlocks(shop) == before


@pytest.mark.parametrize("way", ["draw", "order"])
def test_one_idempotency_key_twenty_times_at_once_makes_one_order(
    seller: Seller, shop: Shop, way: str
) -> None:
    # No more tickets than one order takes: whoever comes second finds none left but the first one's answer.
    batch_id, codes = new_batch(seller, 5)
    key = {"Idempotency-Key": "once"}
    send = draw(batch_id, 5, **key) if way == "draw" else order(codes, **key)

    answers = all_at_once(seller, [send] * 20)

    assert Counter(answer.status_code for answer in answers) == {200: 20}, answers[0].text
    assert len({answer.content for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 19}
    assert assert_each_ticket_has_one_order(shop, seller, answers[:1]) == 5


def test_one_idempotency_key_in_a_full_batch_makes_one_order_too(seller: Seller, shop: Shop) -> None:
    batch_id, _ = new_batch(seller, 100)

    answers = all_at_once(seller, [draw(batch_id, 5, **{"Idempotency-Key": "once"})] * 20)

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.content for answer in answers}) == 1
    assert assert_each_ticket_has_one_order(shop, seller, answers[:1]) == 5


def test_one_idempotency_key_with_ten_requests_at_once_makes_one_order(seller: Seller, shop: Shop) -> None:
    batch_id, codes = new_batch(seller, 100)
    key = {"Idempotency-Key": "same"}

    drawn = all_at_once(seller, [draw(batch_id, quantity, **key) for quantity in range(1, 11)])
    ordered = all_at_once(seller, [order([code], **key) for code in codes[-10:]])

    for answers in (drawn, ordered):
        assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 9}
    assert_each_ticket_has_one_order(shop, seller, [*drawn, *ordered])


def test_two_draws_hold_tickets_and_wait_for_one_key_without_a_deadlock(seller: Seller, shop: Shop) -> None:
    batches = [new_batch(seller, 20) for _ in range(2)]
    before = deadlocks(shop)
    keys = ["a", "b", "c"]
    sends = [draw(batches[n % 2][0], 2, **{"Idempotency-Key": keys[n % 3]}) for n in range(30)]
    sends += [order(batches[n % 2][1][-4:], **{"Idempotency-Key": keys[n % 3]}) for n in range(30)]

    answers = all_at_once(seller, sends)

    assert {answer.status_code for answer in answers} <= {200, 409, 422}
    unique_answers = list(
        {answer.json().get("order_id"): answer for answer in answers if answer.status_code == 200}.values()
    )
    assert_each_ticket_has_one_order(shop, seller, unique_answers)
    assert deadlocks(shop) == before


def test_what_another_holds_is_passed_over_while_enough_are_free(seller: Seller, shop: Shop) -> None:
    batch_id, codes = new_batch(seller, 5)
    with psycopg.connect(shop.dsn) as holder:
        holder.execute(
            "SELECT FROM pre_generated_tickets WHERE ticket_code = ANY(%s) FOR UPDATE", [codes[:2]]
        )

        answer = seller.draw(batch_id, 3)

        assert (answer.status_code, sold_of(answer)) == (200, codes[2:])
        holder.rollback()


@pytest.mark.parametrize(("ends", "expected"), [("given back", (200, None)), ("cancelled", (409, 3))])
def test_before_a_shortage_is_told_the_held_tickets_are_waited_for(
    seller: Seller, shop: Shop, ends: str, expected: tuple[int, int | None]
) -> None:
    batch_id, codes = new_batch(seller, 5)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute(
            "UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = ANY(%s)", [codes[1:3]]
        )
        waiting = pool.submit(seller.draw, batch_id, 4)
        wait_until_something_waits_for_a_row(shop)
        assert not waiting.done()
        if ends == "cancelled":
            holder.commit()
        else:
            holder.rollback()
        answer = waiting.result(30)

    assert (answer.status_code, answer.json().get("available")) == expected
    assert assert_each_ticket_has_one_order(shop, seller, [answer]) == (4 if expected[0] == 200 else 0)


def test_an_order_waits_for_whoever_holds_one_of_its_tickets_and_tells_who_bought_it(
    seller: Seller, shop: Shop
) -> None:
    batch_id, codes = new_batch(seller, 3)
    with ThreadPoolExecutor(2) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [codes[0]])
        draws = pool.submit(seller.draw, batch_id, 3)
        wait_until_something_waits_for_a_row(shop)
        orders = pool.submit(seller.order, [codes[2], codes[0]])
        wait_until_something_waits_for_a_row(shop, rows=2)
        holder.rollback()
        answers = [draws.result(30), orders.result(30)]

    [winner] = [answer for answer in answers if answer.status_code == 200]
    [loser] = [answer for answer in answers if answer.status_code == 409]
    if winner is answers[0]:
        assert {ticket["code"] for ticket in loser.json()["tickets"]} == {"ALREADY_ACTIVATED"}
        for ticket in loser.json()["tickets"]:
            assert winner.json()["order_id"] in ticket["detail"]
            assert "PAY-OTA-2025-001" in ticket["detail"]
    else:
        assert loser.json()["available"] == 1
    assert_each_ticket_has_one_order(shop, seller, answers)


@pytest.mark.nightly
def test_draws_orders_and_sales_beside_a_batch_that_is_cancelled_never_deadlock(shop: Shop) -> None:
    seller = shop.seller()
    batches = [new_batch(seller, 100) for _ in range(3)]
    chance = random.Random(9)
    before = deadlocks(shop)
    over = Event()

    def take_back() -> int:
        """As a cancellation does: the batch, then its tickets by code, a few at a time."""
        taken = 0
        with psycopg.connect(shop.dsn) as connection:
            while not over.is_set():
                batch_id, codes = chance.choice(batches)
                few = chance.sample(codes, 3)
                connection.execute(
                    "SELECT FROM batches WHERE partner_id = %s AND batch_id = %s FOR NO KEY UPDATE",
                    [seller.partner_id, batch_id],
                )
                connection.execute(
                    "SELECT FROM pre_generated_tickets WHERE ticket_code = ANY(%s)"
                    " ORDER BY ticket_code FOR NO KEY UPDATE",
                    [few],
                )
                taken += connection.execute(
                    "UPDATE pre_generated_tickets SET status = 'CANCELLED'"
                    " WHERE ticket_code = ANY(%s) AND status = 'PRE_GENERATED'",
                    [few],
                ).rowcount
                connection.commit()
        return taken

    every = [code for _, codes in batches for code in codes]
    sends: list[Send] = [draw(chance.choice(batches)[0], chance.randint(1, 8)) for _ in range(30)]
    sends += [order(chance.sample(every, 4)) for _ in range(30)]
    sends += [activate(code) for code in chance.sample(every, 40)]
    chance.shuffle(sends)
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(take_back)
        answers = all_at_once(seller, sends)
        over.set()
        taken = cancelling.result()

    told = Counter(str(answer.json().get("code")) for answer in answers)
    assert set(told) <= {
        "None", "BATCH_SHORT", "TICKETS_NOT_SELLABLE", "ALREADY_ACTIVATED", "TICKET_CANCELLED"
    }  # fmt: skip
    assert_each_ticket_has_one_order(shop, seller, answers)
    cancelled = shop.sql(
        "SELECT order_id FROM pre_generated_tickets WHERE partner_id = %s AND status = 'CANCELLED'",
        seller.partner_id,
    )
    assert len(cancelled) == taken > 0
    assert {row["order_id"] for row in cancelled} == {None}
    assert deadlocks(shop) == before


@pytest.mark.nightly
def test_a_ticket_that_is_held_for_too_long_is_answered_503_and_nothing_is_sold(
    seller: Seller, shop: Shop
) -> None:
    batch_id, codes = new_batch(seller, 3)
    key = {"Idempotency-Key": "k"}
    with psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [codes[2]])
        with ThreadPoolExecutor(2) as pool:
            sent: list[Any] = [
                pool.submit(seller.draw, batch_id, 3, headers=key),
                pool.submit(seller.order, codes, headers=key),
            ]
            answers = [future.result(60) for future in sent]
        holder.rollback()

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "BUSY")}
    assert assert_each_ticket_has_one_order(shop, seller, []) == 0
    assert seller.draw(batch_id, 3, headers=key).status_code == 200
