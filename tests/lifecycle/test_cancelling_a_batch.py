"""Taking back all that is unused of a batch."""

import asyncio
from typing import Any

import psycopg
import pytest
from support.shop import Seller, Shop
from support.taking_back import (
    REASON,
    USED_UP,
    assert_books_balance,
    caller_of,
    cancel,
    cancel_batch,
    events,
    issued,
    status_of,
)

from premade.cancellation.cancel_batch import BatchCancelled, BatchCanceller, CancelBatchRequest
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_unused_are_cancelled_and_the_rest_is_left_alone_and_counted(seller: Seller, shop: Shop) -> None:
    codes = seller.tickets(8, batch_id="B1")
    others = seller.tickets(2, batch_id="B2")
    sold, used, expired, cancelled, *unused = codes
    for code in (sold, used):
        seller.activate(code)
    shop.sql(f"UPDATE pre_generated_tickets SET {USED_UP} WHERE ticket_code = %s", used)
    shop.sql("UPDATE pre_generated_tickets SET status = 'EXPIRED' WHERE ticket_code = %s", expired)
    cancel(seller, cancelled)

    answer = cancel_batch(seller, "B1")

    assert answer.status_code == 200
    assert answer.json() == {
        "batch_id": "B1",
        "cancelled_at": answer.json()["cancelled_at"],
        "reason": REASON,
        "cancelled": 4,
        "left_alone": {"ACTIVE": 1, "USED": 1, "EXPIRED": 1, "CANCELLED": 1},
        "unmade": 0,
    }
    assert {status_of(seller, code) for code in unused} == {"CANCELLED"}
    assert [status_of(seller, code) for code in (sold, used, expired, cancelled)] == [
        "ACTIVE", "USED", "EXPIRED", "CANCELLED",
    ]  # fmt: skip
    assert {status_of(seller, code) for code in others} == {"PRE_GENERATED"}
    # 10 made; 4 and 1 given back; who sets a state by hand gives nothing back.
    assert issued(shop, seller) == 5


def test_each_ticket_has_its_event_and_the_end_has_one_with_the_key_and_the_counts(
    seller: Seller, shop: Shop
) -> None:
    codes = seller.tickets(3, batch_id="B1")
    seller.activate(codes[0])
    cancel_batch(seller, "B1", key="k")

    tickets = events(shop, seller, "ticket.cancelled")
    [end] = events(shop, seller, "batch.cancelled")

    assert sorted(event["ticket_code"] for event in tickets) == codes[1:]
    assert {event["data"]["reason"] for event in tickets} == {REASON}
    assert (end["batch_id"], end["idempotency_key"], end["operation"]) == ("B1", "k", "cancel_batch")
    assert end["data"] == {"reason": REASON, "cancelled": 2, "left_alone": {"ACTIVE": 1}}


def test_a_retry_with_the_same_key_is_answered_the_same(seller: Seller, shop: Shop) -> None:
    codes = seller.tickets(3, batch_id="B1")
    seller.activate(codes[0])

    first = cancel_batch(seller, "B1", key="k")
    cancel(seller, codes[0])
    again = cancel_batch(seller, "B1", key="k")

    assert first.json() == again.json()
    assert (first.headers.get("Idempotency-Replayed"), again.headers.get("Idempotency-Replayed")) == (
        None,
        "true",
    )
    assert_books_balance(shop, seller)


def test_cancelled_again_there_is_nothing_left_to_cancel(seller: Seller, shop: Shop) -> None:
    seller.tickets(3, batch_id="B1")
    cancel_batch(seller, "B1")

    again = cancel_batch(seller, "B1").json()

    assert (again["cancelled"], again["left_alone"]["CANCELLED"]) == (0, 3)
    assert_books_balance(shop, seller)


def test_the_key_of_another_request_is_refused_before_all_else(seller: Seller) -> None:
    seller.tickets(1, batch_id="B1")
    seller.tickets(1, batch_id="B2")
    cancel_batch(seller, "B1", key="k")

    for answer in (
        cancel_batch(seller, "B1", "another reason", key="k"),
        cancel_batch(seller, "B2", key="k"),
        cancel_batch(seller, "B3", key="k"),
        cancel_batch(seller, "not a batch", key="k"),
    ):
        assert refusal(answer) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("batch_id", ["B1", "%00", "A%00", "%ED%A0%80", "not a batch", "x" * 65, "x" * 3000])
def test_a_batch_that_there_is_not_is_404(seller: Seller, batch_id: str) -> None:
    assert refusal(cancel_batch(seller, batch_id)) == (404, "BATCH_UNKNOWN")


def test_another_partner_s_batch_is_answered_like_an_unknown_one(seller: Seller, shop: Shop) -> None:
    other = shop.seller()
    [code] = other.tickets(batch_id="B1")

    of_another, unknown = cancel_batch(seller, "B1"), cancel_batch(seller, "B2")

    assert refusal(of_another) == refusal(unknown) == (404, "BATCH_UNKNOWN")
    assert of_another.json()["detail"].replace("B1", "B2") == unknown.json()["detail"]
    assert status_of(other, code) == "PRE_GENERATED"


def large_batch(shop: Shop, seller: Seller, quantity: int) -> str:
    """A batch of more tickets than one request makes, by SQL."""
    seller.tickets(1, batch_id="LARGE")
    here = (seller.partner_id, "LARGE")
    shop.sql(
        "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements,"
        " price, currency, created_at)"
        " SELECT left(ticket_code, -13) || lpad((first_ms + n)::text, 13, '0'), partner_id, product_id, batch_id,"
        " qr_code, entitlements, price, currency, created_at"
        " FROM pre_generated_tickets CROSS JOIN take_logical_ms('ticket_code_ms', %s) AS first_ms"
        " CROSS JOIN generate_series(0, %s - 2) AS n WHERE partner_id = %s AND batch_id = %s",
        quantity, quantity, *here,
    )  # fmt: skip
    shop.sql("UPDATE batches SET quantity = %s WHERE partner_id = %s AND batch_id = %s", quantity, *here)
    shop.sql(
        "UPDATE allotments SET allotted = %s, issued = %s WHERE product_id = %s",
        quantity, quantity, seller.product_id,
    )  # fmt: skip
    return "LARGE"


def transactions(shop: Shop, seller: Seller) -> list[int]:
    """How many tickets were cancelled in each transaction."""
    rows = shop.sql(
        "SELECT count(*) AS tickets FROM audit_events WHERE partner_id = %s AND event = 'ticket.cancelled'"
        " GROUP BY transaction_id ORDER BY transaction_id",
        seller.partner_id,
    )
    return [row["tickets"] for row in rows]


def test_a_large_batch_goes_in_transactions_of_500_tickets(seller: Seller, shop: Shop) -> None:
    batch_id = large_batch(shop, seller, 1_234)

    answer = cancel_batch(seller, batch_id).json()

    assert answer["cancelled"] == 1_234
    assert transactions(shop, seller) == [500, 500, 234]
    assert_books_balance(shop, seller)


def asked_by(seller: Seller, batch_id: str, key: str | None) -> CancelBatchRequest:
    return CancelBatchRequest(caller_of(seller), "r", batch_id, REASON, key)


def test_an_interrupted_one_goes_on_with_the_same_key_and_counts_both_tries(
    seller: Seller, shop: Shop
) -> None:
    batch_id = large_batch(shop, seller, 1_100)

    async def one_transaction_only(database: Database, runtime: Runtime) -> None:
        canceller, asked = BatchCanceller(database, runtime), asked_by(seller, batch_id, "k")
        await canceller._continue(asked, await canceller._begin(asked))

    shop.operate(one_transaction_only)
    assert transactions(shop, seller) == [500]
    of_another_request = cancel_batch(seller, batch_id, "another reason", key="k")
    resumed = cancel_batch(seller, batch_id, key="k")

    # Already the first transaction remembers the key.
    assert refusal(of_another_request) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (resumed.json()["cancelled"], resumed.json()["left_alone"]["CANCELLED"]) == (1_100, 0)
    assert "Idempotency-Replayed" not in resumed.headers
    assert cancel_batch(seller, batch_id, key="k").json() == resumed.json()
    assert len(events(shop, seller, "batch.cancellation_begun")) == 1
    assert_books_balance(shop, seller)


def test_a_ticket_that_a_sale_holds_is_waited_for_and_nobody_waits_for_the_others(
    seller: Seller, shop: Shop
) -> None:
    held, *others = seller.tickets(5, batch_id="B1")

    async def run() -> BatchCancelled:
        async with open_database(shop.dsn, connections_max=2) as database:
            cancelling = asyncio.create_task(
                BatchCanceller(database, shop.runtime).cancel(asked_by(seller, "B1", None))
            )
            waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'"
            while not shop.sql(waits):
                assert not cancelling.done()
                await asyncio.sleep(0.01)
            # The one that is waited for is all that is held up.
            assert (await asyncio.to_thread(seller.activate, others[0])).status_code == 200
            sale.execute(
                "UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id ="
                " (SELECT order_id FROM ota_orders WHERE partner_id = %s) WHERE ticket_code = %s",
                [seller.partner_id, held],
            )
            sale.commit()
            return await cancelling

    with psycopg.connect(shop.dsn) as sale:
        sale.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [held])
        done = asyncio.run(run())

    assert (done.cancelled, done.left_alone) == (3, {"ACTIVE": 2})
    assert issued(shop, seller) == 2


@pytest.mark.nightly
def test_a_ticket_that_is_held_for_too_long_is_answered_503_and_a_retry_goes_on(
    seller: Seller, shop: Shop
) -> None:
    first, *_, last = seller.tickets(5, batch_id="B1")
    with psycopg.connect(shop.dsn) as sale:
        sale.execute("SELECT FROM pre_generated_tickets WHERE ticket_code = %s FOR UPDATE", [last])
        answer = cancel_batch(seller, "B1", key="k")
        assert (answer.status_code, answer.json()["code"]) == (503, Busy.code)
        assert "Nothing was changed" not in answer.json()["detail"]
        assert (status_of(seller, first), status_of(seller, last)) == ("CANCELLED", "PRE_GENERATED")
        assert issued(shop, seller) == 1
        sale.rollback()

    assert cancel_batch(seller, "B1", key="k").json()["cancelled"] == 5
    assert_books_balance(shop, seller)
