"""Stock that cannot be oversold, prices that stay, last days of sale, and the dry run."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from support.shop import Seller, Shop

from premade.catalog.product import change_product
from premade.runtime.errors import DomainError
from premade.stock.allotment import set_allotment


def test_a_dry_run_answers_price_and_stock_and_writes_nothing(shop: Shop) -> None:
    seller = shop.seller(stock=10)
    seller.tickets(4)

    answer = seller.generate(5, batch_id="B1", dry_run=True, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 200
    assert answer.json() == {
        "dry_run": True,
        "batch_id": "B1",
        "product_id": seller.product_id,
        "quantity": 5,
        "price": "288.00",
        "total_amount": "1440.00",
        "currency": "HKD",
        "available": 6,
        "held": None,
    }
    assert len(shop.sql("SELECT FROM batches WHERE partner_id = %s", seller.partner_id)) == 1
    assert seller.generate(5, batch_id="B1", headers={"Idempotency-Key": "k"}).status_code == 201


def test_a_dry_run_refuses_what_the_request_would_be_refused_for(shop: Shop) -> None:
    seller = shop.seller(stock=10)
    seller.tickets(1, batch_id="B1", headers={"Idempotency-Key": "k"})

    def refusal(quantity: int, **more: Any) -> tuple[int, str]:
        headers = {"Idempotency-Key": "k"} if more.pop("same_key", False) else None
        answer = seller.generate(quantity, dry_run=True, headers=headers, **more)
        return answer.status_code, answer.json()["code"]

    assert refusal(0) == (400, "INVALID_REQUEST")
    assert refusal(2, same_key=True) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refusal(1, product_id=7) == (404, "PRODUCT_UNKNOWN")
    assert refusal(1, batch_id="B1") == (409, "BATCH_ID_TAKEN")
    assert refusal(10) == (409, "STOCK_SHORT")


def test_a_product_without_an_allotment_on_the_channel_has_no_stock(seller: Seller, shop: Shop) -> None:
    elsewhere = shop.seller()

    answer = seller.generate(1, product_id=elsewhere.product_id)

    assert (answer.status_code, answer.json()["code"], answer.json()["available"]) == (409, "STOCK_SHORT", 0)


def test_the_database_itself_keeps_stock_at_or_above_zero(shop: Shop) -> None:
    seller = shop.seller(stock=5)
    seller.tickets(5)

    for change in ("issued = 6", "held = 1", "allotted = 4", "issued = -1"):
        with pytest.raises(psycopg.errors.CheckViolation):
            shop.sql(f"UPDATE allotments SET {change} WHERE product_id = %s", seller.product_id)
    with pytest.raises(DomainError, match="must be 5 or more"):
        shop.operate(
            lambda database, runtime: set_allotment(database, runtime, seller.product_id, seller.channel, 4)
        )


def test_activation_leaves_the_allotment_s_row_alone(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    version = "SELECT xmin::text, ctid::text FROM allotments WHERE product_id = %s"
    before = shop.sql(version, seller.product_id)

    assert seller.activate(code).status_code == 200

    assert shop.sql(version, seller.product_id) == before


def test_the_price_is_fixed_when_the_batch_is_made(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    shop.operate(
        lambda database, runtime: change_product(
            database, runtime, seller.product_id, price=Decimal("300.00"), functions={"ferry": 1}
        )
    )

    sale = seller.activate(code).json()
    made = seller.generate(1).json()

    assert sale["total_amount"] == "288.00"
    assert made["price"] == "300.00"
    assert made["tickets"][0]["entitlements"] == [{"function_code": "ferry", "remaining_uses": 1}]


def test_a_ticket_can_be_sold_on_its_last_day_and_not_on_the_day_after(seller: Seller, shop: Shop) -> None:
    today = datetime.now(UTC).date()
    [sellable, over] = seller.tickets(2, valid_until=str(today))
    shop.sql(
        "UPDATE pre_generated_tickets SET valid_until = %s WHERE ticket_code = %s",
        today - timedelta(days=1),
        over,
    )

    sold = seller.activate(sellable)
    refused = seller.activate(over)

    assert sold.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (409, "TICKET_EXPIRED")
    assert refused.json()["valid_until"] == str(today - timedelta(days=1))
    assert seller.http.get(f"/api/ota/tickets/{over}").json()["status"] == "PRE_GENERATED"
