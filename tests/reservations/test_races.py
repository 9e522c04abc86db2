"""Many at once on one hold: stock is conserved, nobody waits in a circle, one release is one release."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from support.plain_http import NO_TLS
from support.race import deadlocks
from support.shop import Seller, Shop, unique

from premade.generation.batch_request import BatchRequest as WantedBatch
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.runtime.errors import DomainError
from premade.stock.hold import expire_holds
from premade.tickets.signing import Signers

Conserved = Callable[[Seller], dict[str, Any]]
LetExpire = Callable[..., None]
Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def at_once(seller: Seller, sends: list[Send]) -> list[httpx.Response]:
    """The answers to what is sent at the same moment, each over a connection of its own."""

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=seller.http.base_url,
            headers=seller.http.headers,
            limits=httpx.Limits(max_connections=len(sends)),
            timeout=60,
            trust_env=False,
            verify=NO_TLS,
        ) as client:
            return await asyncio.gather(*(send(client) for send in sends))

    return asyncio.run(run())


def batch(seller: Seller, quantity: int, reservation_id: str | None = None) -> Send:
    body: dict[str, Any] = {
        "product_id": seller.product_id,
        "quantity": quantity,
        "batch_id": unique("BATCH"),
    }
    if reservation_id is not None:
        body["reservation_id"] = reservation_id
    return lambda client: client.post("/api/ota/tickets/bulk-generate", json=body)


def reserve(seller: Seller, quantity: int, **headers: str) -> Send:
    body = {"product_id": seller.product_id, "quantity": quantity}
    return lambda client: client.post("/api/ota/reservations", json=body, headers=headers)


def release(reservation_id: str, **headers: str) -> Send:
    return lambda client: client.delete(f"/api/ota/reservations/{reservation_id}", headers=headers)


def codes(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


def test_twenty_batches_of_one_hold_take_no_more_than_it_holds(shop: Shop, conserved: Conserved) -> None:
    seller = shop.seller(stock=100)
    reservation_id = seller.hold(31)

    answers = at_once(seller, [batch(seller, 2, reservation_id) for _ in range(20)])

    assert codes(answers) == {(201, None): 15, (409, "RESERVATION_TOO_SMALL"): 5}
    assert conserved(seller) == {"allotted": 100, "issued": 30, "held": 1, "available": 69}


def test_the_last_ticket_of_a_hold_goes_to_one_of_twenty(seller: Seller, conserved: Conserved) -> None:
    reservation_id = seller.hold(1)

    answers = at_once(seller, [batch(seller, 1, reservation_id) for _ in range(20)])

    assert codes(answers) == {(201, None): 1, (409, "RESERVATION_ENDED"): 19}
    assert {answer.json().get("reservation_status") for answer in answers} == {None, "USED_UP"}
    assert conserved(seller)["issued"] == 1


def test_a_hold_taken_from_and_released_at_once_loses_no_ticket(shop: Shop, conserved: Conserved) -> None:
    seller = shop.seller(stock=40)
    for _ in range(5):
        reservation_id = seller.hold(4)
        answers = at_once(
            seller,
            [batch(seller, 1, reservation_id), batch(seller, 1, reservation_id), release(reservation_id)],
        )
        assert set(codes(answers)) <= {(200, None), (201, None), (409, "RESERVATION_ENDED")}
        assert answers[2].status_code == 200
        made = sum(answer.status_code == 201 for answer in answers)
        found = seller.http.get(f"/api/ota/reservations/{reservation_id}").json()
        assert (found["status"], found["taken"], found["held"]) == ("RELEASED", made, 0)
    assert conserved(seller)["held"] == 0


def test_holds_and_batches_at_once_on_the_last_tickets_never_oversell(
    shop: Shop, conserved: Conserved
) -> None:
    seller = shop.seller(stock=50)

    answers = at_once(seller, [send for _ in range(15) for send in (batch(seller, 3), reserve(seller, 3))])

    assert codes(answers) == {(201, None): 16, (409, "STOCK_SHORT"): 14}
    assert conserved(seller)["available"] == 2


def test_an_expired_hold_is_given_back_once_however_many_come_for_it(
    shop: Shop, let_expire: LetExpire, conserved: Conserved
) -> None:
    seller = shop.seller(stock=30)
    let_expire(*(seller.hold(10) for _ in range(3)))

    answers = at_once(seller, [send for _ in range(15) for send in (batch(seller, 2), reserve(seller, 2))])

    assert codes(answers) == {(201, None): 15, (409, "STOCK_SHORT"): 15}
    assert conserved(seller)["available"] == 0
    told = shop.sql(
        "SELECT FROM audit_events WHERE partner_id = %s AND event = 'reservation.expired'", seller.partner_id
    )
    assert len(told) == 3


def test_one_key_twenty_times_at_once_holds_once(seller: Seller, conserved: Conserved) -> None:
    key = {"Idempotency-Key": "once"}

    made = at_once(seller, [reserve(seller, 5, **key) for _ in range(20)])
    [reservation_id] = {answer.json()["reservation_id"] for answer in made}
    released = at_once(seller, [release(reservation_id, **key) for _ in range(20)])

    for answers, status in ((made, 201), (released, 200)):
        assert Counter(answer.status_code for answer in answers) == {status: 20}
        assert len({answer.text for answer in answers}) == 1
        replayed = Counter(answer.headers.get("Idempotency-Replayed") for answer in answers)
        assert replayed == {None: 1, "true": 19}
    assert conserved(seller)["available"] == 1000


def test_one_key_on_ten_reservations_at_once_releases_one(seller: Seller) -> None:
    held = [seller.hold(1) for _ in range(10)]

    answers = at_once(seller, [release(one, **{"Idempotency-Key": "same"}) for one in held])

    assert codes(answers) == {(200, None): 1, (422, "IDEMPOTENCY_KEY_REUSED"): 9}
    listed = seller.http.get("/api/ota/reservations").json()["items"]
    assert Counter(item["status"] for item in listed) == {"RELEASED": 1, "HELD": 9}


@pytest.mark.parametrize("held_beside", [0, 5])
@pytest.mark.parametrize("winner", ["batch", "expiry"])
def test_a_batch_and_the_expiry_of_its_hold_happen_one_after_the_other(
    seller: Seller, shop: Shop, conserved: Conserved, winner: str, held_beside: int
) -> None:
    """The loser waits for the allotment, and then sees what the winner did; it takes nothing of another's hold."""
    reservation_id = seller.hold(5)
    if held_beside:
        seller.hold(held_beside)
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)

    def take() -> str:
        wanted = WantedBatch(seller.product_id, 5, unique("BATCH"), reservation_id=reservation_id)
        try:
            shop.operate(
                lambda database, runtime: Generator(database, runtime, Signers(database, runtime)).generate(
                    caller, "r", wanted
                )
            )
        except DomainError as refused:
            return type(refused).__name__
        return "made"

    def expire(connection: psycopg.Connection) -> None:
        connection.execute(
            "UPDATE reservations SET ended_at = now(), end_reason = 'expired' WHERE reservation_id = %s",
            [reservation_id],
        )
        connection.execute("UPDATE allotments SET held = held - 5 WHERE product_id = %s", [seller.product_id])

    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM allotments WHERE product_id = %s FOR UPDATE", [seller.product_id])
        taking = pool.submit(take)
        wait_until_something_waits_for_a_row(shop)
        if winner == "expiry":
            expire(holder)
        holder.commit()
        outcome = taking.result(30)

    assert outcome == ("made" if winner == "batch" else "ReservationEnded")
    assert conserved(seller)["held"] == held_beside


def test_what_expires_is_touched_after_its_allotment(
    seller: Seller, shop: Shop, let_expire: LetExpire, conserved: Conserved
) -> None:
    """In the order of a batch that takes from a hold, so that the two never wait for each other."""
    reservation_id = seller.hold(5)
    let_expire(reservation_id)
    lock = "SELECT FROM reservations WHERE reservation_id = %s FOR UPDATE NOWAIT"

    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute("SELECT FROM allotments WHERE product_id = %s FOR UPDATE", [seller.product_id])
        answer = pool.submit(seller.generate, 1)
        wait_until_something_waits_for_a_row(shop)
        holder.execute(lock, [reservation_id])
        holder.rollback()
        assert answer.result(30).status_code == 201

    assert conserved(seller)["held"] == 0


def wait_until_something_waits_for_a_row(shop: Shop) -> None:
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'"
    deadline = datetime.now(UTC) + timedelta(seconds=4)
    while not shop.sql(query):
        assert datetime.now(UTC) < deadline, "nobody waits"


def test_everything_at_once_for_a_while_conserves_the_stock_and_never_deadlocks(
    shop: Shop, conserved: Conserved, let_expire: LetExpire
) -> None:
    seller = shop.seller(stock=60)
    random = Random(7)
    before = deadlocks(shop)

    def sweep() -> None:
        for _ in range(30):
            shop.operate(
                lambda database, runtime: expire_holds(database, runtime, seller.product_id, seller.channel)
            )

    def age() -> None:
        for _ in range(30):
            held = shop.sql(
                "SELECT reservation_id FROM reservations WHERE partner_id = %s AND ended_at IS NULL"
                " ORDER BY random() LIMIT 1",
                seller.partner_id,
            )
            let_expire(*(row["reservation_id"] for row in held))

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(sweep), pool.submit(age)]
        for _ in range(6):
            held = [
                item["reservation_id"]
                for item in seller.http.get("/api/ota/reservations").json()["items"]
                if item["status"] == "HELD"
            ]
            sends = [reserve(seller, random.randint(1, 6)) for _ in range(6)]
            sends += [batch(seller, random.randint(1, 2)) for _ in range(3)]
            for one in random.sample(held, min(4, len(held))):
                sends += [batch(seller, 1, one), batch(seller, random.randint(1, 3), one), release(one)]
            random.shuffle(sends)
            told = codes(at_once(seller, sends))
            assert {status for status, _ in told} <= {200, 201, 409}, told
            assert {code for _, code in told} <= {
                None,
                "STOCK_SHORT",
                "RESERVATION_ENDED",
                "RESERVATION_TOO_SMALL",
            }
        for other in others:
            other.result()

    allotment = conserved(seller)
    assert allotment["allotted"] == 60
    assert allotment["issued"] > 0
    assert deadlocks(shop) == before
