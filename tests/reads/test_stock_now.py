"""What can be sold, and how much of it is left this second."""

from typing import Any

import pytest
from support.shop import Seller, Shop

RESERVED = """
INSERT INTO reservations (
    reservation_id, partner_id, product_id, channel, quantity, taken, created_at, expires_at, request_digest
)
VALUES (%s, %s, %s, %s, 30, 10, now() - interval '2 days', now() + %s::interval, '')
"""


def stock_of(seller: Seller, **asked: Any) -> dict[int, dict[str, Any]]:
    answer = seller.http.get("/api/ota/inventory", params=asked)
    assert answer.status_code == 200, answer.text
    return {item["product_id"]: item for item in answer.json()["items"]}


def reserve(shop: Shop, seller: Seller, until: str) -> None:
    """A hold of 30 of which 10 are tickets by now, as the table has it."""
    serial = f"RSV-{seller.partner_id * 10 + (until > '0'):013d}"
    shop.sql(RESERVED, serial, seller.partner_id, seller.product_id, seller.channel, until)
    shop.sql("UPDATE allotments SET held = held + 20 WHERE channel = %s", seller.channel)


def test_a_live_hold_counts_and_one_that_has_expired_does_not(seller: Seller, shop: Shop) -> None:
    seller.tickets(5)
    reserve(shop, seller, "1 hour")
    stock = stock_of(seller)[seller.product_id]
    assert (stock["allotted"], stock["issued"], stock["held"], stock["available"]) == (1000, 5, 20, 975)

    reserve(shop, seller, "-1 second")
    assert stock_of(seller)[seller.product_id] == stock

    shop.sql(
        "UPDATE reservations SET ended_at = now(), end_reason = 'expired' "
        "WHERE partner_id = %s AND expires_at <= now()",
        seller.partner_id,
    )
    shop.sql("UPDATE allotments SET held = held - 20 WHERE channel = %s", seller.channel)
    assert stock_of(seller)[seller.product_id] == stock


def test_the_stock_of_some_products_leaves_out_those_that_the_channel_has_not(
    seller: Seller, shop: Shop
) -> None:
    other = shop.product(seller.channel, 7)
    stranger_s = shop.seller().product_id

    assert list(stock_of(seller)) == [seller.product_id, other]
    assert list(stock_of(seller, product_ids=str(other))) == [other]
    assert list(stock_of(seller, product_ids=f"{other},{stranger_s},1,{seller.product_id}")) == [
        seller.product_id,
        other,
    ]
    assert stock_of(seller, product_ids=f"{stranger_s}") == {}
    first = seller.http.get("/api/ota/inventory?limit=1")
    rest = seller.http.get(first.links["next"]["url"]).json()
    assert [item["product_id"] for item in first.json()["items"] + rest["items"]] == [
        seller.product_id,
        other,
    ]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "ids",
    ["", ",", "106,", "106,,107", "x", "-1", "1.5", "106 107", str(2**63), ",".join("1" * 101), "1%00", "١"],
)
def test_a_malformed_list_of_products_is_named(seller: Seller, ids: str) -> None:
    answer = seller.http.get(f"/api/ota/inventory?product_ids={ids}")

    assert answer.status_code == 400, answer.text
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == ["query#/product_ids"]


def test_a_product_is_told_with_all_that_a_shop_shows(seller: Seller, shop: Shop) -> None:
    second = shop.product(seller.channel, 0, usable_days=30, cancellation="never", ticket_type="GIFT")
    shop.seller()

    first, other = seller.http.get("/api/ota/products").json()["items"]

    assert first == {
        "product_id": seller.product_id,
        "name": "Harbour Cruise Premium",
        "names": {},
        "ticket_type": "FERRY",
        "code_prefix": "CRUISE",
        "price": "288.00",
        "currency": "HKD",
        "functions": [
            {"function_code": "ferry", "uses": 2, "names": {}},
            {"function_code": "gift", "uses": 1, "names": {}},
            {"function_code": "tokens", "uses": 10, "names": {}},
        ],
        "usable_days": None,
        "usable_until": None,
        "cancellation": "until_first_use",
    }
    assert (other["product_id"], other["usable_days"], other["cancellation"]) == (second, 30, "never")
    page = seller.http.get("/api/ota/products?limit=1")
    rest = seller.http.get(page.links["next"]["url"]).json()
    assert [*page.json()["items"], *rest["items"]] == [first, other]
