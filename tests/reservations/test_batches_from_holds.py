"""A batch that names a reservation takes from what it holds."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from support.shop import Seller, Shop

from premade.generation.batch_request import BatchRequest

Conserved = Callable[[Seller], dict[str, Any]]
LetExpire = Callable[..., None]
KEY = {"Idempotency-Key": "first-try"}


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def state(seller: Seller, reservation_id: str) -> tuple[str, int, int]:
    found = seller.http.get(f"/api/ota/reservations/{reservation_id}").json()
    return found["status"], found["taken"], found["held"]


def test_a_smaller_batch_leaves_the_rest_held_and_the_last_ticket_ends_it(
    shop: Shop, conserved: Conserved
) -> None:
    seller = shop.seller(stock=50)
    reservation_id = seller.hold(50)

    made = seller.generate(20, reservation_id=reservation_id)

    assert made.status_code == 201
    assert made.json()["reservation_id"] == reservation_id
    assert state(seller, reservation_id) == ("HELD", 20, 30)
    assert conserved(seller) == {"allotted": 50, "issued": 20, "held": 30, "available": 0}
    assert refusal(seller.generate(1)) == (409, "STOCK_SHORT")
    assert seller.generate(30, reservation_id=reservation_id).status_code == 201
    assert state(seller, reservation_id) == ("USED_UP", 50, 0)
    assert conserved(seller) == {"allotted": 50, "issued": 50, "held": 0, "available": 0}
    refused = seller.generate(1, reservation_id=reservation_id)
    assert refusal(refused) == (409, "RESERVATION_ENDED")
    assert refused.json()["reservation_status"] == "USED_UP"


def test_a_batch_remembers_its_reservation(seller: Seller, shop: Shop) -> None:
    reservation_id = seller.hold(2)
    seller.tickets(1, batch_id="HELD", reservation_id=reservation_id)
    seller.tickets(1, batch_id="FREE")

    stored = shop.sql(
        "SELECT b.batch_id, b.reservation_id, e.data ->> 'reservation_id' AS told FROM batches b"
        " JOIN audit_events e USING (partner_id, batch_id) WHERE partner_id = %s AND event = 'batch.generated'"
        " ORDER BY batch_id",
        seller.partner_id,
    )
    assert stored == [
        {"batch_id": "FREE", "reservation_id": None, "told": None},
        {"batch_id": "HELD", "reservation_id": reservation_id, "told": reservation_id},
    ]


def test_a_larger_batch_is_refused_though_there_is_stock_beside(seller: Seller, conserved: Conserved) -> None:
    reservation_id = seller.hold(10)
    seller.tickets(4, reservation_id=reservation_id)

    refused = seller.generate(7, reservation_id=reservation_id)

    assert refusal(refused) == (409, "RESERVATION_TOO_SMALL")
    assert (refused.json()["requested"], refused.json()["held"]) == (7, 6)
    assert state(seller, reservation_id) == ("HELD", 4, 6)
    assert conserved(seller)["issued"] == 4


def test_a_reservation_that_has_ended_gives_nothing(
    seller: Seller, let_expire: LetExpire, conserved: Conserved
) -> None:
    expired, released = seller.hold(5), seller.hold(5)
    let_expire(expired)
    seller.release(released)

    for reservation_id, status in ((expired, "EXPIRED"), (released, "RELEASED")):
        refused = seller.generate(1, reservation_id=reservation_id)
        assert refusal(refused) == (409, "RESERVATION_ENDED")
        assert refused.json()["reservation_status"] == status
    assert conserved(seller)["issued"] == 0


def test_only_one_s_own_reservation_of_that_product_serves(seller: Seller, shop: Shop) -> None:
    other_product = shop.product(seller.channel, 10)
    other_hold = seller.hold(5, product_id=other_product)
    theirs = shop.seller().hold(5)

    for unknown in (theirs, "RSV-0000000000000"):
        answer = seller.generate(1, reservation_id=unknown)
        assert refusal(answer) == (404, "RESERVATION_UNKNOWN")
        assert answer.json()["detail"] == f"There is no reservation {unknown}."
    for wrong in (other_hold, "RSV-1", "", 5, "RSV-176227428598\u0000"):
        answer = seller.generate(1, reservation_id=wrong)
        assert refusal(answer) == (400, "INVALID_REQUEST")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["#/reservation_id"]
    assert state(seller, other_hold) == ("HELD", 0, 5)


def test_the_order_of_refusals_is_that_of_every_batch(seller: Seller, shop: Shop) -> None:
    reservation_id = seller.hold(1)
    seller.tickets(1, batch_id="B1", headers=KEY)

    wanted = {"batch_id": "B1", "reservation_id": reservation_id}
    assert refusal(seller.generate(5, headers=KEY, **wanted)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refusal(seller.generate(5, product_id=7, **wanted)) == (404, "PRODUCT_UNKNOWN")
    assert refusal(seller.generate(5, batch_id="B1", reservation_id="RSV-0000000000000")) == (
        404,
        "RESERVATION_UNKNOWN",
    )
    assert refusal(seller.generate(5, **wanted)) == (409, "BATCH_ID_TAKEN")
    shop.sql("UPDATE products SET usable_until = '2025-01-01' WHERE product_id = %s", seller.product_id)
    assert refusal(seller.generate(5, **wanted)) == (409, "PRODUCT_OVER")
    assert refusal(seller.generate(5, batch_id="B1", reservation_id="RSV-0000000000000")) == (
        404,
        "RESERVATION_UNKNOWN",
    )


def test_a_dry_run_looks_at_the_reservation_and_takes_nothing(shop: Shop, let_expire: LetExpire) -> None:
    seller = shop.seller(stock=10)
    reservation_id = seller.hold(8)

    beside = seller.generate(2, dry_run=True).json()
    taking = seller.generate(8, dry_run=True, reservation_id=reservation_id)
    too_many = seller.generate(9, dry_run=True, reservation_id=reservation_id)

    assert (beside["available"], beside["held"]) == (2, None)
    assert (taking.status_code, taking.json()["available"], taking.json()["held"]) == (200, 2, 8)
    assert refusal(too_many) == (409, "RESERVATION_TOO_SMALL")
    assert state(seller, reservation_id) == ("HELD", 0, 8)
    let_expire(reservation_id)
    over = seller.generate(8, dry_run=True, reservation_id=reservation_id)
    assert refusal(over) == (409, "RESERVATION_ENDED")


def test_a_dry_run_of_what_was_done_says_what_is_held_now(seller: Seller) -> None:
    reservation_id = seller.hold(5)
    wanted = {"batch_id": "B1", "reservation_id": reservation_id}
    seller.generate(3, headers=KEY, **wanted)

    before = seller.generate(3, headers=KEY, dry_run=True, **wanted)
    seller.release(reservation_id)
    after = seller.generate(3, headers=KEY, dry_run=True, **wanted)

    assert (before.json()["held"], after.json()["held"]) == (2, 0)


def test_a_retry_takes_nothing_more_and_wins_over_a_reservation_that_has_ended(
    seller: Seller, conserved: Conserved
) -> None:
    reservation_id = seller.hold(5)
    wanted = {"batch_id": "B1", "reservation_id": reservation_id}
    first = seller.generate(5, headers=KEY, **wanted)

    again = seller.generate(5, headers=KEY, **wanted)
    without = seller.generate(5, headers=KEY, batch_id="B1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refusal(without) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert conserved(seller)["issued"] == 5


@pytest.mark.parametrize(
    ("wanted", "digest"),
    [
        (
            BatchRequest(106, 50, "BATCH_2025_Q1_001"),
            "ab43371fc4abcf9964e24252025c209364653d3c9a233603472f918e0d2e91a8",
        ),
        (
            BatchRequest(106, 50, "B", date(2099, 3, 31), {"b": 2, "a": 1}),
            "be21ba20c08fdcb6014fd7ba8fe9fcf14a1805a223fb14933ce8cf095c966211",
        ),
    ],
)
def test_a_request_without_a_reservation_keeps_the_digest_that_it_had_before_there_were_any(
    wanted: BatchRequest, digest: str
) -> None:
    assert wanted.digests[0].hex() == digest
