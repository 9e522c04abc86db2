"""Given a batch with unused tickets, when a partner draws some, then they are the customer's, as one order."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.service import Service
from support.shop import CUSTOMER, Seller, Shop, unique

from premade.activation.order import OrderMaker, Sold
from premade.activation.sale import Draw
from premade.audit.actors import COMMAND
from premade.catalog.product import PRICE_MAX
from premade.runtime.clock import Runtime
from premade.tickets.refusals import TicketExpired
from premade.tickets.signing import Signers


def batch_of(seller: Seller, quantity: int, **more: Any) -> tuple[str, list[str]]:
    """A new batch's id and its codes, lowest first."""
    batch_id = unique("BATCH")
    return batch_id, sorted(seller.tickets(quantity, batch_id=batch_id, **more))


def states(shop: Shop, seller: Seller) -> dict[str, str]:
    rows = shop.sql(
        "SELECT ticket_code, status FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
    )
    return {row["ticket_code"]: row["status"] for row in rows}


def orders(shop: Shop, seller: Seller) -> list[dict[str, Any]]:
    return shop.sql("SELECT * FROM ota_orders WHERE partner_id = %s", seller.partner_id)


def test_so_many_tickets_become_the_customer_s_as_one_order(seller: Seller, shop: Shop) -> None:
    batch_id, codes = batch_of(seller, 5)

    answer = seller.draw(batch_id, 3)

    assert answer.status_code == 200, answer.text
    sold = answer.json()
    assert [ticket["ticket_code"] for ticket in sold["tickets"]] == codes[:3]
    assert {name: sold[name] for name in ("status", "total_amount", "currency", "customer_name")} == {
        "status": "CONFIRMED", "total_amount": "864.00", "currency": "HKD", "customer_name": "John Smith"
    }  # fmt: skip
    assert sold["payment_reference"] == "PAY-OTA-2025-001"
    order = seller.http.get(f"/api/ota/orders/{sold['order_id']}").json()
    assert order["ticket_codes"] == codes[:3]
    assert (order["total_amount"], order["created_at"]) == ("864.00", sold["activated_at"])
    assert states(shop, seller) == dict.fromkeys(codes[:3], "ACTIVE") | dict.fromkeys(
        codes[3:], "PRE_GENERATED"
    )


def test_each_ticket_can_be_delivered_at_once(seller: Seller) -> None:
    batch_id, _ = batch_of(seller, 2)

    sold = seller.draw(batch_id, 2).json()

    for ticket in sold["tickets"]:
        now = seller.http.get(f"/api/ota/tickets/{ticket['ticket_code']}").json()
        assert ticket == {name: now[name] for name in ticket}
        assert ticket["status"] == "ACTIVE"
        assert (now["order_id"], now["activated_at"]) == (sold["order_id"], sold["activated_at"])
    assert set(sold["tickets"][0]) == {
        "ticket_code", "status", "entitlements", "qr_code", "qr_token", "usable_until"
    }  # fmt: skip


def test_a_further_draw_goes_on_where_the_last_ended(seller: Seller) -> None:
    batch_id, codes = batch_of(seller, 5)
    seller.activate(codes[1])

    drawn = [seller.draw(batch_id, 2).json()["tickets"] for _ in range(2)]

    assert [[ticket["ticket_code"] for ticket in tickets] for tickets in drawn] == [
        [codes[0], codes[2]], [codes[3], codes[4]]
    ]  # fmt: skip


def test_too_few_left_is_told_with_how_many_and_nothing_is_sold(seller: Seller, shop: Shop) -> None:
    batch_id, codes = batch_of(seller, 3)
    seller.activate(codes[0])

    answer = seller.draw(batch_id, 3)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "BATCH_SHORT")
    assert (problem["batch_id"], problem["requested"], problem["available"]) == (batch_id, 3, 2)
    assert list(states(shop, seller).values()).count("ACTIVE") == 1
    assert len(orders(shop, seller)) == 1
    assert seller.draw(batch_id, 2).status_code == 200


@pytest.mark.parametrize("left", [0, 1])
def test_a_batch_whose_last_day_of_sale_is_over_sells_nothing(seller: Seller, shop: Shop, left: int) -> None:
    batch_id, codes = batch_of(seller, 2, valid_until="2099-01-01")
    if left == 0:
        seller.draw(batch_id, 2)
    shop.sql("UPDATE batches SET valid_until = '2020-01-31' WHERE batch_id = %s", batch_id)
    shop.sql("UPDATE pre_generated_tickets SET valid_until = '2020-01-31' WHERE ticket_code = ANY(%s)", codes)

    for quantity in (1, 3):
        answer = seller.draw(batch_id, quantity)
        assert (answer.status_code, answer.json()["code"]) == (409, "TICKET_EXPIRED")
        assert answer.json()["valid_until"] == "2020-01-31"
    assert len(orders(shop, seller)) == 1 - left


def test_the_last_day_of_sale_ends_at_the_operator_s_midnight(seller: Seller, shop: Shop) -> None:
    batch_id, _ = batch_of(seller, 2, valid_until="2099-03-31")

    def draw_at(moment: datetime) -> Sold:
        runtime = Runtime(ZoneInfo("Asia/Hong_Kong"), now=lambda: moment)
        asked = draw_of(seller, batch_id, 1)
        return replace(shop, runtime=runtime).operate(
            lambda database, runtime: OrderMaker(database, runtime, Signers(database, runtime)).draw(asked)
        )

    sold = draw_at(datetime(2099, 3, 31, 15, 59, 59, 999000, tzinfo=UTC))
    with pytest.raises(TicketExpired, match="The last day of sale") as refused:
        draw_at(datetime(2099, 3, 31, 16, 0, tzinfo=UTC))

    assert len(sold.tickets) == 1
    assert refused.value.members == {"valid_until": date(2099, 3, 31)}


def draw_of(seller: Seller, batch_id: str, quantity: int, **more: Any) -> Draw:
    return Draw(
        partner_id=seller.partner_id,
        actor=COMMAND,
        customer_name=CUSTOMER["name"],
        customer_email=CUSTOMER["email"],
        customer_phone=CUSTOMER["phone"],
        payment_reference="PAY-1",
        batch_id=batch_id,
        quantity=quantity,
        **more,
    )


def test_the_operator_s_own_draw_is_recorded_as_such(seller: Seller, shop: Shop) -> None:
    batch_id, _ = batch_of(seller, 1)

    sold = shop.operate(
        lambda database, runtime: OrderMaker(database, runtime, Signers(database, runtime)).draw(
            draw_of(seller, batch_id, 1)
        )
    )

    [event] = shop.sql("SELECT actor, request_id FROM audit_events WHERE order_id = %s", sold.order_id)
    assert event == {"actor": COMMAND, "request_id": None}


@pytest.mark.parametrize(
    "batch_id", ["NONE", "%00", "a%00b", "%ff", "%ED%A0%80", "x" * 65, "a%2Fb", "%20", "陳"]
)
def test_an_unknown_or_malformed_batch_id_is_404(seller: Seller, batch_id: str) -> None:
    answer = seller.draw(batch_id)

    assert (answer.status_code, answer.json()["code"] in ("BATCH_UNKNOWN", "NOT_FOUND")) == (404, True)
    assert "%2F" in batch_id or answer.json()["code"] == "BATCH_UNKNOWN"


def test_another_partner_s_batch_is_answered_like_one_that_is_unknown(seller: Seller, shop: Shop) -> None:
    other = shop.seller()
    batch_id, codes = batch_of(other, 2)

    foreign, none = seller.draw(batch_id), seller.draw("NO-SUCH")

    ours, theirs = none.json(), foreign.json()
    assert foreign.status_code == none.status_code == 404
    assert theirs["detail"].replace(batch_id, "NO-SUCH") == ours["detail"]
    assert set(ours) == set(theirs)
    assert {states(shop, other)[code] for code in codes} == {"PRE_GENERATED"}


def test_two_partners_batches_of_one_id_are_two(seller: Seller, shop: Shop) -> None:
    other = shop.seller()
    own, theirs = seller.tickets(1, batch_id="SAME"), other.tickets(1, batch_id="SAME")

    assert [ticket["ticket_code"] for ticket in seller.draw("SAME").json()["tickets"]] == own
    assert [ticket["ticket_code"] for ticket in other.draw("SAME").json()["tickets"]] == theirs


@pytest.mark.parametrize("quantity", ["2", 2.0, True, None, [], 0, -1, 101, 10**30])
def test_a_quantity_is_an_integer_from_1_to_100(seller: Seller, quantity: Any) -> None:
    batch_id, _ = batch_of(seller, 1)

    answer = seller.draw(batch_id, quantity)

    assert answer.status_code == 400, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/quantity"]


def test_every_wrong_field_is_named(seller: Seller) -> None:
    answer = seller.http.post("/api/ota/batches/B/activate", json={"customer_details": {"name": ""}})

    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "#/quantity", "#/payment_reference", "#/customer_details/name", "#/customer_details/email",
        "#/customer_details/phone",
    }  # fmt: skip


def test_a_hundred_tickets_of_the_highest_price_have_a_sum(shop: Shop) -> None:
    seller = shop.seller(price=PRICE_MAX)
    batch_id, _ = batch_of(seller, 100)

    answer = seller.draw(batch_id, 100)

    assert answer.status_code == 200, answer.text
    assert answer.json()["total_amount"] == "999999999999.00"
    order = seller.http.get(f"/api/ota/orders/{answer.json()['order_id']}").json()
    assert order["total_amount"] == "999999999999.00"


def test_each_ticket_has_its_own_event_and_its_own_line_in_the_log(
    seller: Seller, shop: Shop, service: Service
) -> None:
    batch_id, codes = batch_of(seller, 3)
    before = len(service.log_lines())

    answer = seller.draw(batch_id, 2, payment_reference="PAY-9")

    order_id = answer.json()["order_id"]
    events = shop.sql(
        "SELECT event, actor, request_id, ticket_code, order_id, data FROM audit_events"
        " WHERE partner_id = %s AND ticket_code = ANY(%s) ORDER BY ticket_code", seller.partner_id, codes
    )  # fmt: skip
    assert [event["ticket_code"] for event in events] == codes[:2]
    for event in events:
        assert (event["event"], event["order_id"]) == ("ticket.activated", order_id)
        assert (event["actor"], event["request_id"]) == (
            f"key:{seller.key_id}", answer.headers["X-Request-Id"]
        )  # fmt: skip
        assert event["data"] == {"payment_reference": "PAY-9", "issue_number": 1, "signing_key_id": "K1"}
    lines = [line for line in service.log_lines()[before:] if line.get("order_id") == order_id]
    assert [line["ticket_code"] for line in lines] == codes[:2]
    assert {(line["event"], line["customer_email"]) for line in lines} == {
        ("ota.tickets.activated", CUSTOMER["email"])
    }


def test_the_days_of_use_count_from_the_sale(shop: Shop) -> None:
    seller = shop.seller(usable_days=30)
    batch_id, _ = batch_of(seller, 1)
    runtime = Runtime(ZoneInfo("UTC"), now=lambda: datetime(2098, 2, 27, 12, tzinfo=UTC))

    sold = replace(shop, runtime=runtime).operate(
        lambda database, runtime: OrderMaker(database, runtime, Signers(database, runtime)).draw(
            draw_of(seller, batch_id, 1)
        )
    )

    assert sold.tickets[0].usable_until == date(2098, 3, 29)


def test_a_draw_leaves_the_stock_as_it_is(seller: Seller, shop: Shop) -> None:
    batch_id, _ = batch_of(seller, 4)
    query = "SELECT allotted, issued, held, xmin::text FROM allotments WHERE product_id = %s"
    before = shop.sql(query, seller.product_id)

    seller.draw(batch_id, 4)

    assert shop.sql(query, seller.product_id) == before
