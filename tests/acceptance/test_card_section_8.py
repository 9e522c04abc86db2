"""The acceptance criteria of the product's contract, one test each."""

from support.shop import Seller, Shop


def test_authenticated_partner_generates_the_tickets_it_asked_for(seller: Seller, shop: Shop) -> None:
    answer = seller.generate(50, batch_id="BATCH_2025_Q1_001")

    assert answer.status_code == 201
    body = answer.json()
    assert body["batch_id"] == "BATCH_2025_Q1_001"
    assert body["total_generated"] == len(body["tickets"]) == 50
    assert {ticket["status"] for ticket in body["tickets"]} == {"PRE_GENERATED"}
    assert len({ticket["ticket_code"] for ticket in body["tickets"]}) == 50
    assert len({ticket["qr_code"] for ticket in body["tickets"]}) == 50
    rows = shop.sql(
        "SELECT ticket_code, status FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
    )
    assert {row["ticket_code"] for row in rows} == {ticket["ticket_code"] for ticket in body["tickets"]}
    assert {row["status"] for row in rows} == {"PRE_GENERATED"}


def test_activation_makes_the_ticket_active_with_an_order_and_a_time(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answer = seller.activate(code)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["ticket_code"], body["status"], body["customer_name"]) == (code, "ACTIVE", "John Smith")
    [ticket] = shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", code)
    [order] = shop.sql("SELECT * FROM ota_orders WHERE order_id = %s", body["order_id"])
    assert ticket["status"] == "ACTIVE"
    assert ticket["activated_at"] is not None
    assert ticket["order_id"] == order["order_id"]
    assert (order["customer_email"], order["payment_reference"]) == (
        "john.smith@example.com",
        "PAY-OTA-2025-001",
    )


def test_an_active_ticket_is_refused_with_409_and_a_clear_message(seller: Seller) -> None:
    [code] = seller.tickets()
    first = seller.activate(code, payment_reference="PAY-1").json()

    answer = seller.activate(code, payment_reference="PAY-2")

    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "ALREADY_ACTIVATED"
    assert problem["order_id"] == first["order_id"]
    assert problem["payment_reference"] == "PAY-1"
    assert problem["activated_at"] == first["activated_at"]
    assert code in problem["detail"]


def test_a_missing_phone_is_refused_with_400_and_named(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    answer = seller.activate(
        code,
        body={"customer_details": {"name": "John Smith", "email": "j@example.com"}, "payment_reference": "P"},
    )

    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"pointer": "#/customer_details/phone", "detail": "Required"}]
    [ticket] = shop.sql("SELECT status FROM pre_generated_tickets WHERE ticket_code = %s", code)
    assert ticket["status"] == "PRE_GENERATED"
