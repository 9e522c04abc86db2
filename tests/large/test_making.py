"""Given stock, when the operator asks for a large batch, then all of its tickets are made, once, in many transactions."""

import threading
from datetime import date

import psycopg
import pytest
from support.large import (
    assert_all_agrees,
    batch_events,
    beside,
    make,
    once_made,
    seen_at_once,
    stop,
)
from support.shop import Seller, Shop

from premade.batches.batch import BatchStatus
from premade.generation.checks import BatchIdTaken
from premade.generation.large import BatchBeingMade, BatchMade, BatchProgress
from premade.runtime.errors import Invalid
from premade.stock.allotment import StockShort
from premade.stock.reservation import ReservationTooSmall
from premade.tickets.code import check_token, stored_token
from premade.tickets.signing import list_signing_keys


@pytest.fixture
def seller(shop: Shop) -> Seller:
    return shop.seller(stock=5_000)


def test_a_batch_is_made_whole_in_transactions_of_500_and_all_agrees_at_every_step(
    seller: Seller, shop: Shop
) -> None:
    seen: list[tuple[int, int]] = []

    def report(making: BatchProgress) -> None:
        now = assert_all_agrees(shop, seller)
        assert (now["made"], now["issued"]) == (making.made, 2_200)
        seen.append((making.made, now["to_make"]))

    made = make(shop, seller, 2_200, report=report)

    assert made == BatchProgress("LARGE", seller.product_id, 2_200, 2_200, 0, BatchStatus.MADE)
    assert seen == [(0, 2_200), (500, 1_700), (1_000, 1_200), (1_500, 700), (2_000, 200), (2_200, 0)]
    data = {"product_id": seller.product_id, "quantity": 2_200}
    assert batch_events(shop, seller) == [("batch.generation_begun", data), ("batch.generated", data)]
    rows = shop.sql(
        "SELECT count(*)::int AS n FROM pre_generated_tickets WHERE partner_id = %s GROUP BY xmin::text",
        seller.partner_id,
    )
    assert sorted(row["n"] for row in rows) == [200, 500, 500, 500, 500]


def test_its_tickets_are_as_those_of_any_batch(seller: Seller, shop: Shop) -> None:
    make(shop, seller, 600, valid_until=date(2099, 3, 31))
    keys = {
        key.key_id: key.public_key for key in shop.operate(lambda database, _: list_signing_keys(database))
    }
    small = seller.generate(1, valid_until="2099-03-31").json()["tickets"][0]["ticket_code"]

    rows = shop.sql(
        "SELECT * FROM pre_generated_tickets WHERE partner_id = %s ORDER BY ticket_code", seller.partner_id
    )

    alike = ("product_id", "entitlements", "price", "currency", "valid_until", "status", "issue_number")
    *large, other = rows
    assert other["ticket_code"] == small
    for row in large:
        assert [row[name] for name in alike] == [other[name] for name in alike]
        assert check_token(stored_token(row["qr_code"]), keys).ticket_code == row["ticket_code"]


def test_while_it_is_made_a_reader_of_any_moment_sees_figures_that_agree(seller: Seller, shop: Shop) -> None:
    over = threading.Event()
    moments: set[int] = set()

    def read() -> None:
        while not over.is_set():
            moments.add(assert_all_agrees(shop, seller)["made"])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        make(shop, seller, 5_000)
    finally:
        over.set()
        reader.join()
    moments.add(assert_all_agrees(shop, seller)["made"])

    assert 5_000 in moments
    assert all(made % 500 == 0 for made in moments)


def test_the_same_asked_again_is_made_already_and_another_is_refused(seller: Seller, shop: Shop) -> None:
    first = make(shop, seller, 700)

    assert make(shop, seller, 700) == first
    for quantity, last_day in ((701, None), (700, date(2099, 1, 1))):
        with pytest.raises(BatchIdTaken):
            make(shop, seller, quantity, valid_until=last_day)
    with pytest.raises(BatchMade):
        stop(shop, seller)
    assert assert_all_agrees(shop, seller)["tickets"] == 700


def test_a_batch_of_the_partner_s_own_is_not_taken_for_it_nor_the_reverse(seller: Seller, shop: Shop) -> None:
    seller.tickets(10, batch_id="SMALL")
    with pytest.raises(BatchIdTaken):
        make(shop, seller, 10, "SMALL")

    make(shop, seller, 10)
    answer = seller.generate(10, batch_id="LARGE", headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (409, "BATCH_ID_TAKEN")
    assert assert_all_agrees(shop, seller)["tickets"] == 20


@pytest.mark.parametrize("quantity", [0, -1, 100_001])
def test_a_quantity_out_of_bounds_is_refused(seller: Seller, shop: Shop, quantity: int) -> None:
    with pytest.raises(Invalid, match="quantity: Must be 1 to 100000"):
        make(shop, seller, quantity)


def test_with_too_little_stock_nothing_is_made(seller: Seller, shop: Shop) -> None:
    with pytest.raises(StockShort) as refused:
        make(shop, seller, 5_001)

    assert refused.value.members["available"] == 5_000
    assert set(seen_at_once(shop, seller).values()) == {0}
    assert batch_events(shop, seller) == []


def test_a_reservation_gives_all_of_it_in_the_first_transaction(seller: Seller, shop: Shop) -> None:
    hold = seller.hold(1_500)
    seen: list[tuple[int, int]] = []

    def report(making: BatchProgress) -> None:
        now = assert_all_agrees(shop, seller)
        seen.append((now["held"], now["issued"]))

    make(shop, seller, 1_200, report=report, reservation_id=hold)

    assert set(seen) == {(300, 1_200)}
    with pytest.raises(ReservationTooSmall):
        make(shop, seller, 301, "MORE", reservation_id=hold)
    make(shop, seller, 300, "REST", reservation_id=hold)
    assert seen_at_once(shop, seller)["held"] == 0
    [row] = shop.sql("SELECT * FROM reservations WHERE reservation_id = %s", hold)
    assert (row["taken"], row["end_reason"]) == (1_500, "used_up")
    assert batch_events(shop, seller)[0][1]["reservation_id"] == hold


def test_what_is_made_already_can_be_sold_and_what_is_not_cannot(seller: Seller, shop: Shop) -> None:
    def sell() -> None:
        drawn = seller.draw("LARGE", 100)
        assert drawn.status_code == 200, drawn.text
        for _ in range(9):
            assert seller.draw("LARGE", 100).status_code == 200
        short = seller.draw("LARGE", 1)
        assert (short.status_code, short.json()["code"], short.json()["available"]) == (409, "BATCH_SHORT", 0)
        told = seller.http.get("/api/ota/batches/LARGE").json()
        assert (told["status"], told["quantity"], told["made"]) == ("MAKING", 1_700, 1_000)
        assert told["tickets"]["active"] == 1_000
        [listed] = seller.http.get("/api/ota/batches").json()["items"]
        assert listed == told
        assert_all_agrees(shop, seller)

    make(shop, seller, 1_700, report=once_made(1_000, sell))

    assert seller.draw("LARGE", 100).status_code == 200
    told = seller.http.get("/api/ota/batches/LARGE").json()
    assert (told["status"], told["made"], told["tickets"]["pre_generated"]) == ("MADE", 1_700, 600)
    assert_all_agrees(shop, seller)


def test_the_history_of_a_ticket_begins_when_it_was_made_also_where_it_was_sold_before_the_last_of_them(
    seller: Seller, shop: Shop
) -> None:
    sold: list[str] = []
    report = once_made(500, lambda: sold.append(seller.draw("LARGE", 1).json()["tickets"][0]["ticket_code"]))
    make(shop, seller, 1_000, report=report)

    ticket = seller.http.get(f"/api/ota/tickets/{sold[0]}").json()

    assert [event["event"] for event in ticket["history"]] == ["ticket.generated", "ticket.activated"]
    assert ticket["history"][0]["occurred_at"] == ticket["created_at"]


def test_a_second_maker_says_how_far_the_first_is_and_changes_nothing(seller: Seller, shop: Shop) -> None:
    refused: list[BatchBeingMade] = []

    def second() -> None:
        with pytest.raises(BatchBeingMade) as told:
            make(shop, seller, 1_500)
        refused.append(told.value)

    made = make(shop, seller, 1_500, report=once_made(500, second))

    assert refused[0].members["made"] == 500
    assert made.made == assert_all_agrees(shop, seller)["tickets"] == 1_500


def test_two_makers_of_which_each_believes_to_be_alone_make_the_batch_once(
    seller: Seller, shop: Shop
) -> None:
    def lose_the_name_and_be_overtaken() -> None:
        ended = shop.sql(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND a.datname = current_database()"
            " AND a.query LIKE '%%pg_try_advisory_lock(hashtextextended%%'"
        )
        assert len(ended) == 1
        make(shop, seller, 3_000, report=once_made(2_000, lambda: None))

    made = make(shop, seller, 3_000, report=once_made(1_000, lose_the_name_and_be_overtaken))

    assert made.status is BatchStatus.MADE
    assert assert_all_agrees(shop, seller)["tickets"] == 3_000
    assert [event for event, _ in batch_events(shop, seller)] == ["batch.generation_begun", "batch.generated"]


def test_all_tickets_of_it_cost_what_the_first_one_did(seller: Seller, shop: Shop) -> None:
    report = once_made(
        500, lambda: shop.sql("UPDATE products SET price = 1 WHERE product_id = %s", seller.product_id)
    )
    make(shop, seller, 1_000, report=report)

    rows = shop.sql(
        "SELECT DISTINCT price FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
    )
    assert [str(row["price"]) for row in rows] == ["288.00"]


@pytest.mark.parametrize(
    "change",
    [
        "to_make = to_make + 1",
        "unmade = unmade - 1",
        "unmade = 1",
        "to_make = -1, unmade = 1",
        "to_make = to_make - 1, unmade = unmade + 1",
    ],
)
def test_the_database_refuses_to_make_a_batch_twice(seller: Seller, shop: Shop, change: str) -> None:
    def try_it() -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            shop.sql(f"UPDATE batches SET {change} WHERE partner_id = %s", seller.partner_id)

    make(shop, seller, 1_000, report=once_made(500, try_it))
    if change.startswith("to_make = to_make + 1"):
        beside(try_it)
