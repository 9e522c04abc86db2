"""Given unused tickets, when a partner orders several by their codes, then all are the customer's or none is."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from support.shop import Seller, Shop

UNKNOWN = "CRUISE-2025-FERRY-0000000000000"


def active(shop: Shop, seller: Seller) -> int:
    rows = shop.sql("SELECT status FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id)
    return Counter(row["status"] for row in rows)["ACTIVE"]


def orders(shop: Shop, seller: Seller) -> int:
    return len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id))


def refused(problem: dict[str, Any]) -> dict[str, str]:
    assert all(ticket["detail"] for ticket in problem["tickets"])
    assert all(set(ticket) == {"ticket_code", "code", "detail"} for ticket in problem["tickets"])
    return {ticket["ticket_code"]: ticket["code"] for ticket in problem["tickets"]}


def test_the_named_tickets_become_one_order_in_the_order_of_their_names(seller: Seller, shop: Shop) -> None:
    [first, second] = sorted(seller.tickets(2))
    [third] = seller.tickets()

    answer = seller.order([third, first, second], payment_reference="PAY-7")

    assert answer.status_code == 200, answer.text
    sold = answer.json()
    assert [ticket["ticket_code"] for ticket in sold["tickets"]] == [third, first, second]
    assert (sold["status"], sold["total_amount"], sold["currency"]) == ("CONFIRMED", "864.00", "HKD")
    order = seller.http.get(f"/api/ota/orders/{sold['order_id']}").json()
    assert order["ticket_codes"] == [third, first, second]
    assert (order["payment_reference"], order["customer_phone"]) == ("PAY-7", "+1234567890")
    for ticket in sold["tickets"]:
        now = seller.http.get(f"/api/ota/tickets/{ticket['ticket_code']}").json()
        assert ticket == {name: now[name] for name in ticket}
        assert (now["order_id"], now["status"]) == (sold["order_id"], "ACTIVE")


def test_tickets_of_several_products_are_one_order_at_the_sum_of_their_prices(shop: Shop) -> None:
    seller = shop.seller(price=Decimal("288.00"))
    other = shop.product(seller.channel, 10, price=Decimal("12.05"), functions={"gift": 1})
    [one], [two] = seller.tickets(), seller.tickets(product_id=other)

    sold = seller.order([one, two]).json()

    assert sold["total_amount"] == "300.05"
    assert [ticket["entitlements"][0]["function_code"] for ticket in sold["tickets"]] == ["ferry", "gift"]


def test_a_hundred_tickets_fit_in_an_order_and_one_more_does_not(seller: Seller, shop: Shop) -> None:
    codes = [*seller.tickets(100), *seller.tickets(1)]

    refusal = seller.order(codes)
    answer = seller.order(codes[:100])

    assert refusal.status_code == 400
    assert [error["pointer"] for error in refusal.json()["errors"]] == ["#/ticket_codes"]
    assert (answer.status_code, active(shop, seller), orders(shop, seller)) == (200, 100, 1)


def test_every_ticket_that_cannot_be_sold_is_named_and_none_is_sold(seller: Seller, shop: Shop) -> None:
    [good, sold, cancelled, over, expired] = seller.tickets(5)
    sale = seller.activate(sold, payment_reference="PAY-OLD").json()
    change = "UPDATE pre_generated_tickets SET {} WHERE ticket_code = %s"
    shop.sql(change.format("status = 'CANCELLED'"), cancelled)
    shop.sql(change.format("valid_until = '2020-01-31'"), over)
    shop.sql(change.format("status = 'EXPIRED', valid_until = '2020-01-31'"), expired)

    answer = seller.order([good, sold, cancelled, over, expired])

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "TICKETS_NOT_SELLABLE")
    assert refused(problem) == {
        sold: "ALREADY_ACTIVATED", cancelled: "TICKET_CANCELLED", over: "TICKET_EXPIRED",
        expired: "TICKET_EXPIRED",
    }  # fmt: skip
    by_code = {ticket["ticket_code"]: ticket["detail"] for ticket in problem["tickets"]}
    assert sale["order_id"] in by_code[sold]
    assert "PAY-OLD" in by_code[sold]
    assert sale["activated_at"] in by_code[sold]
    assert "2020-01-31" in by_code[over]
    assert seller.http.get(f"/api/ota/tickets/{good}").json()["status"] == "PRE_GENERATED"
    assert orders(shop, seller) == 1


def test_a_ticket_is_refused_in_the_words_of_its_own_activation(seller: Seller) -> None:
    [sold] = seller.tickets()
    seller.activate(sold)

    [told] = seller.order([sold]).json()["tickets"]

    alone = seller.activate(sold).json()
    assert (told["code"], told["detail"]) == (alone["code"], alone["detail"])


def test_an_unknown_ticket_makes_it_404_whatever_else_is_wrong(seller: Seller, shop: Shop) -> None:
    [good, sold] = seller.tickets(2)
    seller.activate(sold)
    [foreign] = shop.seller().tickets()
    strange = ["", "x", "cruise-2025-ferry-1762274285982", f"{UNKNOWN}0", "陳", " " * 300]

    answer = seller.order([good, sold, UNKNOWN, foreign, *strange])

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "TICKETS_UNKNOWN")
    assert refused(problem) == {sold: "ALREADY_ACTIVATED"} | dict.fromkeys(
        [UNKNOWN, foreign, *strange], "TICKET_UNKNOWN"
    )
    details = {ticket["ticket_code"]: ticket["detail"] for ticket in problem["tickets"]}
    assert details[foreign].replace(foreign, UNKNOWN) == details[UNKNOWN]
    assert (active(shop, seller), orders(shop, seller)) == (1, 1)


def test_one_currency_an_order(shop: Shop) -> None:
    seller = shop.seller(currency="HKD")
    other = shop.product(seller.channel, 10, currency="EUR")
    [one], [two] = seller.tickets(), seller.tickets(product_id=other)

    answer = seller.order([one, two])

    assert (answer.status_code, answer.json()["code"]) == (409, "CURRENCIES_DIFFER")
    assert answer.json()["currencies"] == ["EUR", "HKD"]
    assert active(shop, seller) == 0
    assert seller.order([two]).json()["currency"] == "EUR"


@pytest.mark.parametrize(
    ("codes", "pointers"),
    [
        ([], {"#/ticket_codes"}),
        (None, {"#/ticket_codes"}),
        (UNKNOWN, {"#/ticket_codes"}),
        ({}, {"#/ticket_codes"}),
        ([UNKNOWN, UNKNOWN], {"#/ticket_codes"}),
        ([UNKNOWN, 5, None], {"#/ticket_codes/1", "#/ticket_codes/2"}),
        ([[UNKNOWN]], {"#/ticket_codes/0"}),
        ([f"{UNKNOWN}\0"], {"#/ticket_codes/0"}),
        ([UNKNOWN] * 30_000, {"#/ticket_codes"}),
    ],
)
def test_a_list_that_is_none_of_different_codes_is_400(
    seller: Seller, codes: Any, pointers: set[str]
) -> None:
    answer = seller.order(codes)

    assert answer.status_code == 400, answer.text
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers


def test_half_of_a_surrogate_pair_is_400(seller: Seller) -> None:
    body = (
        '{"ticket_codes": ["\\ud800"], "payment_reference": "P",'
        '"customer_details": {"name": "J", "email": "j@example.com", "phone": "+1234567890"}}'
    )

    answer = seller.http.post("/api/ota/orders", content=body, headers={"Content-Type": "application/json"})

    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/ticket_codes/0"]


def test_a_code_that_is_named_twice_is_told(seller: Seller) -> None:
    [one, two] = seller.tickets(2)

    [error] = seller.order([one, two, one]).json()["errors"]

    assert one in error["detail"]
    assert two not in error["detail"]


def test_each_ticket_is_told_to_the_audit_record_with_its_order(seller: Seller, shop: Shop) -> None:
    codes = sorted(seller.tickets(3))

    order_id = seller.order(codes).json()["order_id"]

    told = shop.sql(
        "SELECT ticket_code, event FROM audit_events WHERE order_id = %s ORDER BY ticket_code", order_id
    )
    assert told == [{"ticket_code": code, "event": "ticket.activated"} for code in codes]
