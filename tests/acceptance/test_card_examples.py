"""Every example of the contract, sent as it stands there, and the shape of the answers."""

import base64
import re

from support.shop import Seller, Shop

from premade.catalog.product import list_products

TICKET_CODE = re.compile(r"CRUISE-\d{4}-FERRY-\d{13}")
ORDER_ID = re.compile(r"ORD-\d{13}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
GENERATE = {"product_id": 106, "quantity": 50, "batch_id": "BATCH_2025_Q1_001"}
ACTIVATE = {
    "customer_details": {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"},
    "payment_reference": "PAY-OTA-2025-001",
}


def seller_of_106(shop: Shop) -> Seller:
    """A new partner that may sell product 106, which all tests of the database share."""
    seller = shop.seller()
    known = {product.product_id for product in shop.operate(lambda database, _: list_products(database))}
    if 106 in known:
        shop.sql(
            "INSERT INTO allotments (product_id, channel, allotted) VALUES (106, %s, 500)", seller.channel
        )
    else:
        shop.product(seller.channel, 500, product_id=106)
    return seller


def test_the_example_of_bulk_generate(shop: Shop) -> None:
    seller = seller_of_106(shop)

    answer = seller.http.post("/api/ota/tickets/bulk-generate", json=GENERATE)

    assert answer.status_code == 201
    body = answer.json()
    assert (body["batch_id"], body["total_generated"]) == ("BATCH_2025_Q1_001", 50)
    assert len(body["tickets"]) == 50
    for ticket in body["tickets"]:
        assert TICKET_CODE.fullmatch(ticket["ticket_code"])
        assert base64.b64decode(ticket["qr_code"], validate=True).startswith(b"\x89PNG\r\n")
        assert ticket["qr_token"].startswith(f"PM1:{ticket['ticket_code']}:1:K")
        assert ticket["status"] == "PRE_GENERATED"
        assert all(
            set(entitlement) == {"function_code", "remaining_uses"} for entitlement in ticket["entitlements"]
        )
    assert [ticket["ticket_code"] for ticket in body["tickets"]] == sorted(
        ticket["ticket_code"] for ticket in body["tickets"]
    )


def test_the_example_of_activate(shop: Shop) -> None:
    seller = seller_of_106(shop)
    [code] = seller.tickets(product_id=106)

    answer = seller.http.post(f"/api/ota/tickets/{code}/activate", json=ACTIVATE)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["ticket_code"], body["customer_name"], body["status"]) == (code, "John Smith", "ACTIVE")
    assert ORDER_ID.fullmatch(body["order_id"])
    assert TIMESTAMP.fullmatch(body["activated_at"])


def test_the_example_code_is_unknown_here(seller: Seller) -> None:
    answer = seller.activate("CRUISE-2025-FERRY-1762274285982", body=ACTIVATE)

    assert (answer.status_code, answer.json()["code"]) == (404, "TICKET_UNKNOWN")


def test_what_was_written_can_be_read_back(seller: Seller) -> None:
    [made] = seller.generate(1, valid_until="2099-03-31").json()["tickets"]
    code = made["ticket_code"]
    sale = seller.activate(code).json()

    ticket = seller.http.get(f"/api/ota/tickets/{code}").json()
    order = seller.http.get(f"/api/ota/orders/{sale['order_id']}").json()
    [stock] = seller.http.get("/api/ota/inventory").json()["items"]

    assert (ticket["status"], ticket["order_id"], ticket["valid_until"]) == (
        "ACTIVE",
        sale["order_id"],
        "2099-03-31",
    )
    assert (ticket["qr_token"], ticket["qr_code"]) == (made["qr_token"], made["qr_code"])
    assert ticket["activated_at"] == order["created_at"] == sale["activated_at"]
    assert order["ticket_codes"] == [code]
    assert (order["total_amount"], order["currency"], order["status"]) == ("288.00", "HKD", "CONFIRMED")
    assert order["customer_email"] == "john.smith@example.com"
    assert (stock["allotted"], stock["issued"], stock["held"], stock["available"]) == (1000, 1, 0, 999)
