"""Taking back, reissuing, expiring and selling at the same moment: one wins, the books balance, nobody deadlocks."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from random import Random
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from support import past
from support.plain_http import NO_TLS
from support.race import deadlocks
from support.service import environment_for, running_service
from support.shop import CUSTOMER, Seller, Shop
from support.taking_back import (
    REASON,
    assert_books_balance,
    events,
    in_one_order,
    issued,
    status_of,
)

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.cancellation.cancel_batch import BatchCanceller, CancelBatchRequest
from premade.catalog.product import Cancellation
from premade.expiry.expire import Expirer
from premade.partners.keyring import Caller
from premade.postgres.database import Database, open_database
from premade.reissue.reissue import Reissuer, ReissueRequest
from premade.tickets.signing import Signers

SALE = {"customer_details": CUSTOMER, "payment_reference": "PAY-1"}
Send = Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]


def at_once(seller: Seller, sends: list[Send]) -> list[httpx.Response]:
    """The answers to requests that are sent at the same moment, each over a connection of its own."""

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


def post(what: str, body: Any = None, **headers: str) -> Send:
    wanted = {"reason": REASON} if body is None else body
    return lambda client: client.post(f"/api/ota/{what}", json=wanted, headers=headers)


def selling(code: str) -> Send:
    return post(f"tickets/{code}/activate", SALE)


def test_a_ticket_is_either_sold_or_taken_back_when_its_product_is_sold_for_good(shop: Shop) -> None:
    seller = shop.seller(cancellation=Cancellation.NEVER)
    codes = seller.tickets(60)
    sends = [send for code in codes for send in (selling(code), post(f"tickets/{code}/cancel"))]
    Random(1).shuffle(sends)

    answers = at_once(seller, sends)

    assert Counter(answer.status_code for answer in answers) == {200: 60, 409: 60}
    told = Counter(answer.json()["code"] for answer in answers if answer.status_code == 409)
    assert set(told) <= {"NOT_CANCELLABLE", "TICKET_CANCELLED"}
    assert_books_balance(shop, seller)


def test_a_batch_that_is_cancelled_beside_its_sales_loses_none_and_ends_no_sold_one(shop: Shop) -> None:
    seller = shop.seller()
    codes = seller.tickets(100, batch_id="B1")
    sends = [selling(code) for code in codes]
    Random(2).shuffle(sends)
    sends[40:40] = [post("batches/B1/cancel", **{"Idempotency-Key": "k"})] * 2 + [post("batches/B1/cancel")]

    answers = at_once(seller, sends)

    sold = [answer for answer in answers if "customer_name" in answer.text and answer.status_code == 200]
    taken = [answer.json() for answer in answers if '"left_alone"' in answer.text]
    refused = Counter(answer.json()["code"] for answer in answers if answer.status_code != 200)
    assert len(taken) == 3
    assert set(refused) <= {"TICKET_CANCELLED"}
    states = shop.sql(
        "SELECT status, count(*) AS n FROM pre_generated_tickets WHERE partner_id = %s GROUP BY status",
        seller.partner_id,
    )
    found = {row["status"]: row["n"] for row in states}
    assert found.get("ACTIVE", 0) == len(sold)
    assert found.get("CANCELLED", 0) == refused["TICKET_CANCELLED"] == 100 - len(sold)
    assert len(events(shop, seller, "batch.cancelled")) == 2
    assert_books_balance(shop, seller)


def test_one_key_twenty_times_at_once_cancels_once(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, [post(f"tickets/{code}/cancel", **{"Idempotency-Key": "k"})] * 20)

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.text for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 19}
    assert_books_balance(shop, seller)


def test_without_a_key_one_of_twenty_cancels(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, [post(f"tickets/{code}/cancel")] * 20)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert_books_balance(shop, seller)


@pytest.mark.parametrize("act", ["cancel", "reissue"])
def test_one_key_on_ten_tickets_at_once_changes_one(seller: Seller, shop: Shop, act: str) -> None:
    codes = seller.tickets(10)

    answers = at_once(seller, [post(f"tickets/{code}/{act}", **{"Idempotency-Key": "k"}) for code in codes])

    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 9}
    changed = shop.sql(
        "SELECT FROM pre_generated_tickets WHERE partner_id = %s AND (status = 'CANCELLED' OR issue_number = 2)",
        seller.partner_id,
    )
    assert len(changed) == 1
    assert_books_balance(shop, seller)


def test_one_key_on_five_batches_at_once_cancels_one(seller: Seller, shop: Shop) -> None:
    for number in range(5):
        seller.tickets(5, batch_id=f"B{number}")

    answers = at_once(
        seller, [post(f"batches/B{number}/cancel", **{"Idempotency-Key": "k"}) for number in range(5)]
    )

    assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 4}
    assert issued(shop, seller) == 20
    assert_books_balance(shop, seller)


def test_one_key_twenty_times_at_once_cancels_a_batch_once(seller: Seller, shop: Shop) -> None:
    seller.tickets(50, batch_id="B1")

    answers = at_once(seller, [post("batches/B1/cancel", **{"Idempotency-Key": "k"})] * 20)

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["cancelled"] == 50
    assert_books_balance(shop, seller)


def test_all_tickets_of_an_order_cancelled_at_once_cancel_the_order(seller: Seller, shop: Shop) -> None:
    order_id, codes = in_one_order(shop, seller, 20)

    answers = at_once(seller, [post(f"tickets/{code}/cancel") for code in codes])

    told = Counter(answer.json()["order_status"] for answer in answers)
    assert told == {"PARTLY_CANCELLED": 19, "CANCELLED": 1}
    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CANCELLED"
    assert_books_balance(shop, seller)


def test_twenty_reissues_at_once_get_twenty_numbers_and_the_last_is_the_good_one(
    seller: Seller, shop: Shop
) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, [post(f"tickets/{code}/reissue")] * 20 + [selling(code)])

    assert Counter(answer.status_code for answer in answers) == {200: 21}
    numbers = {answer.json()["issue_number"]: answer.json()["qr_token"] for answer in answers[:-1]}
    assert sorted(numbers) == list(range(2, 22))
    now = seller.http.get(f"/api/ota/tickets/{code}").json()
    assert (now["issue_number"], now["qr_token"], now["status"]) == (21, numbers[21], "ACTIVE")


def test_one_key_twenty_times_at_once_reissues_once(seller: Seller) -> None:
    [code] = seller.tickets()

    answers = at_once(seller, [post(f"tickets/{code}/reissue", **{"Idempotency-Key": "k"})] * 20)

    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["issue_number"] == 2
    assert status_of(seller, code) == "PRE_GENERATED"


async def expire_again_and_again(database: Database, shop: Shop, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await Expirer(database, shop.runtime).pass_once()
        await asyncio.sleep(0)


async def draw_by_hand(database: Any, seller: Seller, batch_id: str, random: Random) -> None:
    """Several tickets into one order, as a draw locks them: by their codes, then the order."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for _ in range(8):
            async with connection.transaction():
                cursor = await connection.execute(
                    "SELECT ticket_code FROM pre_generated_tickets WHERE partner_id = %s AND batch_id = %s"
                    " AND status = 'PRE_GENERATED' ORDER BY ticket_code OFFSET %s LIMIT 3 FOR NO KEY UPDATE",
                    [seller.partner_id, batch_id, random.randrange(30)],
                )
                codes = [row[0] for row in await cursor.fetchall()]
                if not codes:
                    continue
                order_id = f"ORD-9{seller.partner_id % 10**6:06}{random.randrange(10**6):06}"
                await connection.execute(
                    "INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone,"
                    " payment_reference, total_amount, currency, operation, request_digest, created_at,"
                    " ticket_codes) VALUES (%s, %s, 'J', 'j@example.com', '+1', 'P', 1, 'HKD', 'draw', 'x', now(), %s)",
                    [order_id, seller.partner_id, codes],
                )
                await connection.execute(
                    "UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id = %s"
                    " WHERE ticket_code = ANY(%s)",
                    [order_id, codes],
                )


@pytest.mark.nightly
def test_everything_at_once_never_deadlocks_and_the_books_balance(shop_at: Any) -> None:
    before, after = shop_at("2026-03-31T12:00:00Z", "UTC"), shop_at("2026-04-01T00:00:00Z", "UTC")
    seller = before.seller(stock=100_000)
    batches = [
        past.generate(before, seller, 200, batch_id=f"B{n}", valid_until=date(2026, 3, 31)) for n in range(6)
    ]
    sold = [ticket.ticket_code for batch in batches[:2] for ticket in batch.tickets[:60]]
    codes = [ticket.ticket_code for batch in batches for ticket in batch.tickets]
    caller, random, outcomes = (
        Caller(seller.key_id, seller.partner_id, seller.channel),
        Random(7),
        Counter[str](),
    )

    async def run() -> None:
        async with open_database(before.dsn, connections_max=16) as database:
            activator, canceller = Activator(database, before.runtime), Canceller(database, before.runtime)
            reissuer = Reissuer(database, before.runtime, Signers(database, before.runtime))
            batch_canceller = BatchCanceller(database, before.runtime)

            async def counted(action: Awaitable[Any]) -> None:
                try:
                    outcomes[type(await action).__name__] += 1
                except Exception as error:  # noqa: BLE001
                    outcomes[type(error).__name__] += 1

            def sale(code: str) -> Awaitable[Any]:
                return activator.activate(
                    Activation(caller, "r", code, "J S", "j@example.com", "+1234567890", "P")
                )

            await asyncio.gather(*(sale(code) for code in sold))
            stop = asyncio.Event()
            expiring = [asyncio.create_task(expire_again_and_again(database, after, stop)) for _ in range(2)]
            drawing = [
                asyncio.create_task(draw_by_hand(before.dsn, seller, f"B{n % 6}", random)) for n in range(6)
            ]
            actions: list[Awaitable[Any]] = [sale(code) for code in random.sample(codes, 400)]
            actions += [
                canceller.cancel(CancelRequest(caller, "r", code, REASON))
                for code in random.sample(codes, 400)
            ]
            actions += [
                reissuer.reissue(ReissueRequest(caller, "r", code, REASON))
                for code in random.sample(codes, 300)
            ]
            actions += [
                batch_canceller.cancel(CancelBatchRequest(caller, "r", f"B{n}", REASON)) for n in (1, 3, 5, 1)
            ]
            random.shuffle(actions)
            await asyncio.gather(*(counted(action) for action in actions), *drawing)
            stop.set()
            await asyncio.gather(*expiring)

    count = deadlocks(before)
    asyncio.run(run())

    assert deadlocks(before) == count
    assert set(outcomes) >= {"Activated", "CancelledTicket", "Reissued", "BatchCancelled"}
    assert set(outcomes) <= {
        "Activated", "CancelledTicket", "Reissued", "BatchCancelled",
        "AlreadyActivated", "TicketCancelled", "TicketExpired",
    }, outcomes  # fmt: skip
    past.expire(after)
    assert_books_balance(before, seller)


@pytest.mark.nightly
def test_kill_9_in_the_middle_of_a_batch_leaves_the_books_balanced_and_a_retry_ends_it(
    quiet_shop: Shop, tmp_path: Any
) -> None:
    with running_service(environment_for(quiet_shop.dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(quiet_shop.dsn, service.url)
        seller = shop.seller(stock=20_000)
        past.generate(shop, seller, 10_000, batch_id="B1")

        async def cancel_until_killed() -> None:
            async with httpx.AsyncClient(
                base_url=service.url, headers=seller.http.headers, timeout=60, trust_env=False, verify=NO_TLS
            ) as client:
                sent = asyncio.create_task(post("batches/B1/cancel", **{"Idempotency-Key": "k"})(client))
                while not events(shop, seller, "ticket.cancelled"):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                for process in psutil.Process(service.process.pid).children(recursive=True):
                    process.kill()
                service.process.kill()
                with pytest.raises(httpx.TransportError):
                    await sent

        asyncio.run(cancel_until_killed())
    already = len(events(shop, seller, "ticket.cancelled"))
    assert 0 < already < 10_000
    assert already % 500 == 0
    assert_books_balance(shop, seller)

    with running_service(environment_for(quiet_shop.dsn), tmp_path / "log", workers=1) as service:
        seller.http.base_url = service.url
        answer = seller.http.post(
            "/api/ota/batches/B1/cancel", json={"reason": REASON}, headers={"Idempotency-Key": "k"}
        )
    assert answer.json()["cancelled"] == 10_000
    assert_books_balance(shop, seller)
