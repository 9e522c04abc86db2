"""An order is cancelled as a whole, or not at all."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from browser.visitors import visitor
from support.shop import Seller, Shop
from support.taking_back import REASON, USED_UP, assert_books_balance, cancel, events

UNKNOWN = (404, "ORDER_UNKNOWN")


def order_of(seller: Seller, quantity: int) -> tuple[str, list[str]]:
    codes = seller.tickets(quantity)
    answer = seller.order(codes)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["order_id"], sorted(codes)


def cancel_order(
    seller: Seller, order_id: str, *, key: str | None = None, reason: str = REASON
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return seller.http.post(f"/api/ota/orders/{order_id}/cancel", json={"reason": reason}, headers=headers)


def test_all_tickets_of_an_order_are_cancelled_and_their_stock_returns(shop: Shop, seller: Seller) -> None:
    order_id, codes = order_of(seller, 3)
    seller.tickets(2)
    assert cancel(seller, codes[1]).status_code == 200

    answer = cancel_order(seller, order_id, key="whole")
    again = cancel_order(seller, order_id, key="whole")
    late = cancel_order(seller, order_id)

    assert answer.status_code == 200
    told = answer.json()
    assert (told["order_id"], told["status"], told["reason"]) == (order_id, "CANCELLED", REASON)
    assert told["ticket_codes"] == [codes[0], codes[2]]
    assert again.json() == told
    assert again.headers["idempotency-replayed"] == "true"
    assert (late.status_code, late.json()["code"]) == (409, "ORDER_CANCELLED")
    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CANCELLED"
    [event] = events(shop, seller, "order.cancelled")
    assert (event["order_id"], event["data"]["ticket_codes"]) == (order_id, told["ticket_codes"])
    assert_books_balance(shop, seller)


def test_one_used_ticket_keeps_the_whole_order(shop: Shop, seller: Seller) -> None:
    order_id, codes = order_of(seller, 3)
    shop.sql(f"UPDATE pre_generated_tickets SET {USED_UP} WHERE ticket_code = %s RETURNING 1", codes[2])

    refused = cancel_order(seller, order_id)

    assert (refused.status_code, refused.json()["code"]) == (409, "ORDER_NOT_CANCELLABLE")
    assert refused.json()["tickets"] == [codes[2]]
    assert codes[2] in refused.json()["detail"]
    assert events(shop, seller, "ticket.cancelled") == []
    assert_books_balance(shop, seller)


def test_a_product_can_forbid_it(shop: Shop, seller: Seller) -> None:
    order_id, codes = order_of(seller, 2)
    shop.sql(
        "UPDATE products SET cancellation = 'never' WHERE product_id = %s RETURNING 1", seller.product_id
    )

    refused = cancel_order(seller, order_id)

    assert (refused.status_code, refused.json()["tickets"]) == (409, codes)


@pytest.mark.parametrize("order_id", ["ORD-1762274304824", "ORD-1", "x", "%00"])
def test_an_order_of_nobody_is_unknown(seller: Seller, order_id: str) -> None:
    answer = cancel_order(seller, order_id)

    assert (answer.status_code, answer.json()["code"]) == UNKNOWN


def test_another_partner_cancels_nothing(shop: Shop, seller: Seller) -> None:
    order_id, _ = order_of(seller, 2)

    answer = cancel_order(shop.seller(), order_id)

    assert (answer.status_code, answer.json()["code"]) == UNKNOWN
    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CONFIRMED"


def test_cancellations_of_an_order_and_of_its_tickets_at_once_count_each_ticket_once(
    shop: Shop, seller: Seller
) -> None:
    orders = [order_of(seller, 4) for _ in range(4)]

    with ThreadPoolExecutor(8) as pool:
        whole = [pool.submit(cancel_order, seller, order_id) for order_id, _ in orders for _ in range(2)]
        single = [pool.submit(cancel, seller, code) for _, codes in orders for code in codes[:2]]
        statuses = {answer.result().status_code for answer in [*whole, *single]}

    assert statuses <= {200, 409, 503}
    for order_id, _ in orders:
        cancel_order(seller, order_id)
        assert seller.http.get(f"/api/ota/orders/{order_id}").json()["status"] == "CANCELLED"
    assert_books_balance(shop, seller)


def test_staff_cancel_an_order_with_a_reason(shop: Shop, seller: Seller) -> None:
    order_id, codes = order_of(seller, 2)
    page = f"/console/orders/{order_id}"

    with visitor(shop, "operations") as ann, visitor(shop, "finance") as joe:
        shown = ann.page(page)
        preview = ann.page(f"{page}/cancel")
        wrong = ann.sends(f"{page}/cancel", step="save", once="0" * 32, reason="")
        saved = ann.sends(f"{page}/cancel", step="save", once="0" * 32, reason="Storm")
        again = ann.sends(f"{page}/cancel", step="save", once="0" * 32, reason="Storm")
        after = ann.page(page)
        forbidden = joe.status(f"{page}/cancel")

    assert "Cancel the order" in shown
    assert all(code in preview for code in codes)
    assert (wrong.status_code, saved.status_code, again.status_code, forbidden) == (400, 303, 303, 403)
    assert f"{page}/cancel" not in after
    assert len(events(shop, seller, "order.cancelled")) == 1
    assert_books_balance(shop, seller)
