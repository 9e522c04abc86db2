"""Taking a ticket back: its stock returns, its QR dies, its order says so."""

import json
from typing import Any

import pytest
from support.shop import Seller, Shop
from support.taking_back import (
    REASON,
    USED_UP,
    assert_books_balance,
    cancel,
    events,
    in_one_order,
    issued,
    reissue,
    status_of,
)

from premade.catalog.product import Cancellation

UNKNOWN = "CRUISE-2025-FERRY-0000000000000"


def refusal(answer: Any) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def test_an_unsold_ticket_that_is_cancelled_is_stock_again_and_cannot_be_sold(
    seller: Seller, shop: Shop
) -> None:
    [code, other] = seller.tickets(2)

    answer = cancel(seller, code)

    assert answer.status_code == 200
    assert answer.json() == {
        "ticket_code": code,
        "status": "CANCELLED",
        "cancelled_at": answer.json()["cancelled_at"],
        "reason": REASON,
        "order_id": None,
        "order_status": None,
    }
    assert answer.json()["cancelled_at"].endswith("Z")
    assert (status_of(seller, code), status_of(seller, other)) == ("CANCELLED", "PRE_GENERATED")
    assert issued(shop, seller) == 1
    assert refusal(seller.activate(code)) == (409, "TICKET_CANCELLED")
    assert_books_balance(shop, seller)


def test_the_record_says_who_cancelled_what_and_why(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    answer = cancel(seller, code)

    [event] = events(shop, seller, "ticket.cancelled")

    assert (event["actor"], event["ticket_code"], event["request_id"]) == (
        f"key:{seller.key_id}",
        code,
        answer.headers["X-Request-Id"],
    )
    assert event["data"] == {"reason": REASON, "order_status": None}


def test_the_order_of_a_cancelled_ticket_is_cancelled(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    order_id = seller.activate(code).json()["order_id"]

    answer = cancel(seller, code).json()

    assert (answer["order_id"], answer["order_status"]) == (order_id, "CANCELLED")
    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CANCELLED"
    assert seller.http.get(f"/api/ota/tickets/{code}").json()["order_id"] == order_id
    assert issued(shop, seller) == 0
    assert_books_balance(shop, seller)


def test_an_order_is_partly_cancelled_until_its_last_ticket_is(seller: Seller, shop: Shop) -> None:
    order_id, codes = in_one_order(shop, seller, 3)

    told = [cancel(seller, code).json()["order_status"] for code in codes]

    assert told == ["PARTLY_CANCELLED", "PARTLY_CANCELLED", "CANCELLED"]
    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CANCELLED"
    assert_books_balance(shop, seller)


FIRST_USED_AT = "first_used_at = '2026-01-02T03:04:05.678Z'"


@pytest.mark.parametrize(
    "use",
    [FIRST_USED_AT, USED_UP.replace("first_used_at = now()", FIRST_USED_AT)],
    ids=["partly used", "used up"],
)
def test_a_used_ticket_is_never_taken_back(seller: Seller, shop: Shop, use: str) -> None:
    [code] = seller.tickets()
    seller.activate(code)
    shop.sql(f"UPDATE pre_generated_tickets SET {use} WHERE ticket_code = %s", code)

    answer = cancel(seller, code)

    assert refusal(answer) == (409, "TICKET_USED")
    assert answer.json()["first_used_at"] == "2026-01-02T03:04:05.678Z"
    assert issued(shop, seller) == 1
    assert_books_balance(shop, seller)


def test_a_ticket_is_cancelled_once(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    cancel(seller, code)

    assert refusal(cancel(seller, code)) == (409, "TICKET_CANCELLED")
    assert issued(shop, seller) == 0


def test_an_expired_ticket_gave_its_stock_back_already(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    shop.sql("UPDATE pre_generated_tickets SET status = 'EXPIRED' WHERE ticket_code = %s", code)

    assert refusal(cancel(seller, code)) == (409, "TICKET_EXPIRED")
    assert issued(shop, seller) == 1


def test_what_is_sold_for_good_can_be_cancelled_only_while_it_is_unsold(shop: Shop) -> None:
    seller = shop.seller(cancellation=Cancellation.NEVER)
    [sold, unsold] = seller.tickets(2)
    seller.activate(sold)

    assert refusal(cancel(seller, sold)) == (409, "NOT_CANCELLABLE")
    assert cancel(seller, unsold).status_code == 200
    assert (status_of(seller, sold), status_of(seller, unsold)) == ("ACTIVE", "CANCELLED")
    assert_books_balance(shop, seller)


@pytest.mark.parametrize("act", [cancel, reissue])
@pytest.mark.parametrize(
    "code", [UNKNOWN, "nonsense", "%00", "A%00B", "%F0%9F%8E%AB", "%ED%A0%80", "x" * 3000]
)
def test_what_there_is_not_is_404(seller: Seller, act: Any, code: str) -> None:
    assert refusal(act(seller, code)) == (404, "TICKET_UNKNOWN")


@pytest.mark.parametrize("act", [cancel, reissue])
def test_another_partner_s_ticket_is_answered_like_an_unknown_one(
    seller: Seller, shop: Shop, act: Any
) -> None:
    [code] = shop.seller().tickets()

    of_another, unknown = act(seller, code), act(seller, UNKNOWN)

    assert refusal(of_another) == refusal(unknown) == (404, "TICKET_UNKNOWN")
    assert of_another.json()["detail"].replace(code, UNKNOWN) == unknown.json()["detail"]


@pytest.mark.parametrize("act", [cancel, reissue])
@pytest.mark.parametrize(
    "reason", ["", "  ", "x" * 201, "a\nb", "a\0b", "\ud800", "\u2028", None, 7, 1e400, 2**70, [], {}, True]
)
def test_a_reason_is_1_to_200_printable_characters(seller: Seller, act: Any, reason: Any) -> None:
    [code] = seller.tickets()

    answer = seller.http.post(
        f"/api/ota/tickets/{code}/{act.__name__}",
        content=json.dumps({"reason": reason}),
        headers={"Content-Type": "application/json"},
    )

    assert refusal(answer) == (400, "INVALID_REQUEST")
    assert {wrong["pointer"] for wrong in answer.json()["errors"]} <= {"#/reason", "#"}
    assert status_of(seller, code) == "PRE_GENERATED"


@pytest.mark.parametrize("reason", ["x", "x" * 200, '改期 №7 – "sorry"'])
def test_a_reason_may_be_in_any_script(seller: Seller, reason: str) -> None:
    [code] = seller.tickets()

    assert cancel(seller, code, reason).json()["reason"] == reason


@pytest.mark.parametrize("path", ["tickets/x/cancel", "tickets/x/reissue", "batches/x/cancel"])
def test_it_needs_the_permission_tickets_cancel(shop: Shop, path: str) -> None:
    reading = shop.seller(permissions=["tickets:read", "tickets:activate", "tickets:bulk-generate"])
    body = {"reason": REASON}

    assert refusal(shop.client().post(f"/api/ota/{path}", json=body)) == (401, "API_KEY_MISSING")
    assert refusal(reading.http.post(f"/api/ota/{path}", json=body)) == (403, "PERMISSION_MISSING")


def test_a_retry_with_the_same_key_is_answered_the_same(seller: Seller, shop: Shop) -> None:
    _, codes = in_one_order(shop, seller, 2)

    first = cancel(seller, codes[0], key="k")
    cancel(seller, codes[1])
    again = cancel(seller, codes[0], key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    # As it was then: by now the whole order is cancelled.
    assert first.json() == again.json()
    assert first.json()["order_status"] == "PARTLY_CANCELLED"
    assert (first.headers.get("Idempotency-Replayed"), again.headers.get("Idempotency-Replayed")) == (
        None,
        "true",
    )
    assert len(events(shop, seller, "ticket.cancelled")) == 2
    assert_books_balance(shop, seller)


@pytest.mark.parametrize("act", [cancel, reissue])
def test_the_key_of_another_request_is_refused_before_all_else(seller: Seller, act: Any) -> None:
    [code, other] = seller.tickets(2)
    assert act(seller, code, key="k").status_code == 200

    for answer in (
        act(seller, code, "another reason", key="k"),
        act(seller, other, key="k"),
        act(seller, UNKNOWN, key="k"),
        act(seller, "malformed", key="k"),
    ):
        assert refusal(answer) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert status_of(seller, other) == "PRE_GENERATED"


def test_a_key_is_one_operation_s_and_one_partner_s(seller: Seller, shop: Shop) -> None:
    other = shop.seller()
    [code] = seller.tickets(headers={"Idempotency-Key": "k"})
    [other_code] = other.tickets()

    assert seller.activate(code, headers={"Idempotency-Key": "k"}).status_code == 200
    assert reissue(seller, code, key="k").json()["issue_number"] == 2
    assert cancel(seller, code, key="k").json()["status"] == "CANCELLED"
    assert cancel(other, other_code, key="k").json()["ticket_code"] == other_code


def test_a_refusal_is_not_remembered(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    seller.activate(code)
    policy = "UPDATE products SET cancellation = %s WHERE product_id = %s"
    shop.sql(policy, "never", seller.product_id)
    refused = cancel(seller, code, key="k")
    shop.sql(policy, "until_first_use", seller.product_id)

    assert refusal(refused) == (409, "NOT_CANCELLABLE")
    assert cancel(seller, code, key="k").status_code == 200
