"""Each invariant of the contract's section 3 and each validation of its section 4."""

import itertools
from datetime import UTC, datetime

import psycopg
import pytest
from support.shop import Seller, Shop, unique
from support.taking_back import USED_UP

from premade.tickets.ticket import ALLOWED_CHANGES, Status

FORBIDDEN_CHANGES = [
    pair for pair in itertools.product(Status, Status) if pair[0] != pair[1] and pair not in ALLOWED_CHANGES
]
ROUTE_TO = {
    Status.PRE_GENERATED: [],
    Status.ACTIVE: ["ACTIVE"],
    Status.USED: ["ACTIVE", "USED"],
    Status.EXPIRED: ["EXPIRED"],
    Status.CANCELLED: ["CANCELLED"],
}


def put_into(shop: Shop, seller: Seller, code: str, status: Status) -> None:
    """By the real activation where that is the way, by SQL where there is no operation for it yet."""
    for step in ROUTE_TO[status]:
        if step == "ACTIVE":
            assert seller.activate(code).status_code == 200
        else:
            change = USED_UP if step == "USED" else f"status = '{step}'"
            shop.sql(f"UPDATE pre_generated_tickets SET {change} WHERE ticket_code = %s", code)


# Section 3: invariants


def test_tickets_start_with_status_pre_generated_and_the_database_lets_none_start_otherwise(
    seller: Seller, shop: Shop
) -> None:
    answer = seller.generate(3)

    assert {ticket["status"] for ticket in answer.json()["tickets"]} == {"PRE_GENERATED"}
    with pytest.raises(psycopg.errors.CheckViolation, match="ticket state machine"):
        shop.sql(
            "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, status,"
            " entitlements, price, currency, created_at) SELECT 'CRUISE-2025-FERRY-0000000000001', partner_id,"
            " product_id, batch_id, qr_code, 'EXPIRED', entitlements, price, currency, created_at"
            " FROM pre_generated_tickets WHERE partner_id = %s LIMIT 1",
            seller.partner_id,
        )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.USED, "ALREADY_ACTIVATED"),
        (Status.EXPIRED, "TICKET_EXPIRED"),
        (Status.CANCELLED, "TICKET_CANCELLED"),
    ],
)
def test_only_pre_generated_tickets_can_be_activated(
    seller: Seller, shop: Shop, status: Status, code: str
) -> None:
    [ticket] = seller.tickets()
    put_into(shop, seller, ticket, status)
    orders_before = shop.sql("SELECT count(*) FROM ota_orders WHERE partner_id = %s", seller.partner_id)

    answer = seller.activate(ticket)

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert (
        shop.sql("SELECT count(*) FROM ota_orders WHERE partner_id = %s", seller.partner_id) == orders_before
    )


@pytest.mark.parametrize(("before", "after"), FORBIDDEN_CHANGES)
def test_the_database_refuses_every_other_change_of_state(
    seller: Seller, shop: Shop, before: Status, after: Status
) -> None:
    [code] = seller.tickets()
    put_into(shop, seller, code, before)

    with pytest.raises(psycopg.errors.CheckViolation):
        shop.sql("UPDATE pre_generated_tickets SET status = %s WHERE ticket_code = %s", after, code)

    assert shop.sql("SELECT status FROM pre_generated_tickets WHERE ticket_code = %s", code) == [
        {"status": before}
    ]


@pytest.mark.parametrize(
    "change",
    [
        "ticket_code = 'CRUISE-2025-FERRY-0000000000002'",
        "price = 1",
        "currency = 'EUR'",
        "created_at = now()",
    ],
)
def test_the_database_keeps_what_a_ticket_is(seller: Seller, shop: Shop, change: str) -> None:
    [code] = seller.tickets()

    with pytest.raises(psycopg.errors.CheckViolation, match="change of identity"):
        shop.sql(f"UPDATE pre_generated_tickets SET {change} WHERE ticket_code = %s", code)


def test_a_ticket_is_never_deleted(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    with pytest.raises(psycopg.errors.CheckViolation, match="deletion"):
        shop.sql("DELETE FROM pre_generated_tickets WHERE ticket_code = %s", code)


def test_activation_creates_the_order_with_the_price_of_the_batch(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    shop.sql("UPDATE products SET price = 999 WHERE product_id = %s", seller.product_id)

    order_id = seller.activate(code).json()["order_id"]

    [order] = shop.sql("SELECT * FROM ota_orders WHERE order_id = %s", order_id)
    assert (order["partner_id"], order["status"]) == (seller.partner_id, "CONFIRMED")
    assert (str(order["total_amount"]), order["currency"]) == ("288.00", "HKD")
    assert (order["customer_name"], order["customer_phone"]) == ("John Smith", "+1234567890")


def test_each_ticket_can_be_activated_only_once(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    statuses = [seller.activate(code).status_code for _ in range(3)]

    assert statuses == [200, 409, 409]
    assert len(shop.sql("SELECT FROM ota_orders WHERE partner_id = %s", seller.partner_id)) == 1
    events = "SELECT FROM audit_events WHERE ticket_code = %s AND event = 'ticket.activated'"
    assert len(shop.sql(events, code)) == 1


@pytest.mark.parametrize("missing", ["name", "email", "phone"])
def test_customer_details_must_include_name_email_and_phone(seller: Seller, missing: str) -> None:
    [code] = seller.tickets()
    details = {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"}
    del details[missing]

    answer = seller.activate(code, body={"customer_details": details, "payment_reference": "PAY"})

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/customer_details/{missing}"]


def test_a_payment_reference_is_required_and_stands_in_order_and_audit_record(
    seller: Seller, shop: Shop
) -> None:
    [code] = seller.tickets()
    without = {"customer_details": {"name": "J", "email": "j@example.com", "phone": "+1234567890"}}

    refused = seller.activate(code, body=without)
    sold = seller.activate(code, payment_reference="PAY-7")

    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/payment_reference"]
    order_id = sold.json()["order_id"]
    [order] = shop.sql("SELECT payment_reference FROM ota_orders WHERE order_id = %s", order_id)
    [event] = shop.sql("SELECT * FROM audit_events WHERE order_id = %s", order_id)
    assert order["payment_reference"] == event["data"]["payment_reference"] == "PAY-7"
    assert (event["ticket_code"], event["actor"]) == (code, f"key:{seller.key_id}")


@pytest.mark.parametrize(
    "change", ["UPDATE audit_events SET event = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
def test_the_audit_record_is_append_only(seller: Seller, shop: Shop, change: str) -> None:
    seller.tickets()

    with pytest.raises(psycopg.errors.CheckViolation, match="append-only"):
        shop.sql(change)


# Section 4: validations, idempotency, concurrency (its races are in tests/concurrency)


def test_the_product_must_exist(seller: Seller) -> None:
    answer = seller.generate(1, product_id=999_999_999_999)

    assert (answer.status_code, answer.json()["code"]) == (404, "PRODUCT_UNKNOWN")


def test_the_product_must_have_inventory_available(shop: Shop) -> None:
    seller = shop.seller(stock=7)

    answer = seller.generate(8)

    assert (answer.status_code, answer.json()["code"]) == (409, "STOCK_SHORT")
    assert answer.json()["available"] == 7
    assert shop.sql("SELECT FROM batches WHERE partner_id = %s", seller.partner_id) == []
    assert seller.generate(7).status_code == 201


def test_a_batch_id_is_unique_for_a_partner_and_free_for_another(seller: Seller, shop: Shop) -> None:
    batch_id = unique("BATCH")
    seller.tickets(batch_id=batch_id)

    again = seller.generate(1, batch_id=batch_id)
    other = shop.seller().generate(1, batch_id=batch_id)

    assert (again.status_code, again.json()["code"]) == (409, "BATCH_ID_TAKEN")
    assert other.status_code == 201


def test_ticket_codes_are_unique_across_all_tickets(seller: Seller, shop: Shop) -> None:
    first = seller.tickets(100)
    second = shop.seller().tickets(100)

    assert len({*first, *second}) == 200
    with pytest.raises(psycopg.errors.UniqueViolation, match="ticket_code_taken"):
        shop.sql(
            "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code,"
            " entitlements, price, currency, created_at) SELECT ticket_code, partner_id, product_id, batch_id,"
            " qr_code, entitlements, price, currency, created_at FROM pre_generated_tickets WHERE ticket_code = %s",
            first[0],
        )


def test_customer_details_are_validated(seller: Seller) -> None:
    [code] = seller.tickets()

    answer = seller.activate(code, name=" ", email="john.smith", phone="12345", payment_reference="")

    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "#/customer_details/name",
        "#/customer_details/email",
        "#/customer_details/phone",
        "#/payment_reference",
    }


def test_entitlements_come_from_the_functions_of_the_product(seller: Seller, shop: Shop) -> None:
    wanted = [
        {"function_code": "ferry", "remaining_uses": 2},
        {"function_code": "gift", "remaining_uses": 1},
        {"function_code": "tokens", "remaining_uses": 10},
    ]

    [ticket] = seller.generate(1).json()["tickets"]

    assert ticket["entitlements"] == wanted
    [row] = shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", ticket["ticket_code"])
    assert row["entitlements"] == wanted
    assert row["created_at"] <= datetime.now(UTC)
    assert row["order_id"] is None
    assert row["activated_at"] is None
