"""A retry of a draw or of an order, with its Idempotency-Key, sells nothing more and is answered as the first try."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from nacl.signing import SigningKey
from support.shop import Seller, Shop, unique

from premade.tickets.code import Signer

KEY = {"Idempotency-Key": "first-try"}
Sell = Callable[..., httpx.Response]


@pytest.fixture(params=["draw", "order"])
def sell(request: pytest.FixtureRequest, seller: Seller) -> Sell:
    """Sells the same two tickets by either way."""
    batch_id = unique("BATCH")
    codes = sorted(seller.tickets(2, batch_id=batch_id))
    if request.param == "draw":
        return lambda **more: seller.draw(batch_id, more.pop("quantity", 2), **more)
    return lambda **more: seller.order(codes[: more.pop("quantity", 2)], **more)


def orders(shop: Shop, seller: Seller) -> int:
    return len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id))


def test_it_is_answered_again_as_it_was_done(sell: Sell, seller: Seller, shop: Shop) -> None:
    first = sell(headers=KEY)

    again = sell(headers=KEY)

    assert first.status_code == again.status_code == 200, first.text
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert orders(shop, seller) == 1


def test_a_use_a_reissue_or_a_cancellation_since_then_does_not_show(
    sell: Sell, seller: Seller, shop: Shop
) -> None:
    first = sell(headers=KEY)
    [one, two] = [ticket["ticket_code"] for ticket in first.json()["tickets"]]
    reissued = base64.b64encode(Signer.of("K1", b"x" * 32).token(one, 2).encode()).decode()
    used = """UPDATE pre_generated_tickets SET status = 'USED', first_used_at = now(), issue_number = 2,
        qr_code = %s, entitlements = '[{"function_code": "ferry", "remaining_uses": 0}]' WHERE ticket_code = %s"""
    shop.sql(used, reissued, one)
    shop.sql("UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", two)
    shop.sql("UPDATE ota_orders SET status = 'PARTLY_CANCELLED' WHERE partner_id = %s", seller.partner_id)

    again = sell(headers=KEY)

    assert again.status_code == 200, again.text
    assert again.content == first.content
    now = seller.http.get(f"/api/ota/tickets/{one}").json()
    assert now["qr_token"] != first.json()["tickets"][0]["qr_token"]


def test_a_ticket_that_was_reissued_before_its_sale_keeps_the_token_it_was_sold_with(
    sell: Sell, seller: Seller, shop: Shop
) -> None:
    [code, _] = sorted(
        row["ticket_code"]
        for row in shop.sql(
            "SELECT ticket_code FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
        )
    )
    seed = SigningKey(b"k" * 32)
    change = "UPDATE pre_generated_tickets SET issue_number = %s, qr_code = %s WHERE ticket_code = %s"

    def stored(signer: Signer, issue_number: int) -> str:
        return base64.b64encode(signer.token(code, issue_number).encode()).decode()

    shop.sql(
        "INSERT INTO signing_keys (key_id, seed, public_key, created_at, retired_at)"
        " VALUES ('K998', %s, %s, now(), now())",
        bytes(seed),
        bytes(seed.verify_key),
    )
    try:
        shop.sql(change, 2, stored(Signer.of("K998", bytes(seed)), 2), code)
        first = sell(headers=KEY)
        shop.sql(change, 3, stored(Signer.of("K1", b"x" * 32), 3), code)
        again = sell(headers=KEY)
    finally:
        shop.sql("DELETE FROM signing_keys WHERE key_id = 'K998'")

    assert f":{code}:2:K998:" in f":{first.json()['tickets'][0]['qr_token']}"
    assert again.content == first.content


@pytest.mark.parametrize("change", [{"quantity": 1}, {"name": "Other"}, {"payment_reference": "PAY-2"}])
def test_another_request_with_the_same_key_is_refused(
    sell: Sell, seller: Seller, shop: Shop, change: dict[str, Any]
) -> None:
    first = sell(headers=KEY)

    other = sell(headers=KEY, **change)

    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert other.json()["order_id"] == first.json()["order_id"]
    assert orders(shop, seller) == 1


def test_another_key_or_none_is_another_sale(sell: Sell, seller: Seller) -> None:
    assert sell(headers=KEY).status_code == 200

    for headers in ({}, {"Idempotency-Key": "other"}):
        assert sell(headers=headers).json()["code"] in ("BATCH_SHORT", "TICKETS_NOT_SELLABLE")


def test_the_same_tickets_listed_otherwise_are_the_same_order(seller: Seller) -> None:
    codes = seller.tickets(3)

    first = seller.order(codes, headers=KEY)
    again = seller.order(codes[::-1], headers=KEY, phone="+1 (234) 567-890")

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content


def test_a_key_is_one_operation_s_and_one_partner_s(seller: Seller, shop: Shop) -> None:
    other = shop.seller()
    [one, two] = seller.tickets(2, batch_id="B1", headers=KEY)
    other.tickets(1, batch_id="B1", headers=KEY)

    answers = [
        seller.activate(one, headers=KEY),
        seller.draw("B1", headers=KEY),
        other.draw("B1", headers=KEY),
        seller.order(seller.tickets(1), headers=KEY),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [ticket["ticket_code"] for ticket in answers[1].json()["tickets"]] == [two]
    assert len({answer.json()["order_id"] for answer in answers}) == 4


def test_a_refusal_is_not_remembered(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets(batch_id="B1", valid_until="2099-01-01")
    past = "UPDATE {} SET valid_until = %s WHERE partner_id = %s"
    for table in ("batches", "pre_generated_tickets"):
        shop.sql(past.format(table), "2020-01-01", seller.partner_id)

    refused = [seller.draw("B1", headers=KEY), seller.order([code], headers=KEY)]
    for table in ("batches", "pre_generated_tickets"):
        shop.sql(past.format(table), "2099-01-01", seller.partner_id)
    sold = seller.draw("B1", headers=KEY)

    assert [answer.status_code for answer in refused] == [409, 409]
    assert (sold.status_code, sold.headers.get("Idempotency-Replayed")) == (200, None)


def test_a_replay_wins_over_every_409(sell: Sell, seller: Seller, shop: Shop) -> None:
    first = sell(headers=KEY)
    for table in ("batches", "pre_generated_tickets"):
        shop.sql(f"UPDATE {table} SET valid_until = '2020-01-01' WHERE partner_id = %s", seller.partner_id)

    assert sell().status_code == 409
    assert sell(headers=KEY).content == first.content


def test_422_comes_before_404(seller: Seller) -> None:
    seller.tickets(2, batch_id="B1")
    seller.draw("B1", headers=KEY)
    seller.order(seller.tickets(1), headers=KEY)

    for batch_id in ("NONE", "%00"):
        assert seller.draw(batch_id, headers=KEY).status_code == 422
    assert seller.order(["malformed"], headers=KEY).status_code == 422
