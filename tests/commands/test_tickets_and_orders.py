"""`premade ticket`, `order`, `batch` and `sales`: what staff look up, for scripts."""

from support.shop import Seller, Shop, unique
from support.taking_back import REASON, assert_books_balance
from support.terminal import Operator


def test_a_ticket_is_shown_with_its_history_and_cancelled(shop: Shop, seller: Seller) -> None:
    operator, [code, other] = Operator(shop.dsn), seller.tickets(2)
    order_id = seller.activate(code).json()["order_id"]

    shown = operator.does("ticket", "show", code.lower())
    table = operator.shows("ticket", "show", code)
    cancelled = operator.does("ticket", "cancel", code, "--reason", REASON)
    again = operator.run("ticket", "cancel", code, "--reason", REASON)
    wrong = operator.run("ticket", "cancel", other, "--reason", "")
    unknown = operator.run("ticket", "show", "CRUISE-2025-FERRY-0000000000001")

    assert (shown["ticket_code"], shown["status"], shown["order_id"]) == (code, "ACTIVE", order_id)
    assert (shown["partner"], shown["entitlements"]["ferry"]) == (seller.name, 2)
    assert [event["event"] for event in shown["history"]] == ["ticket.generated", "ticket.activated"]
    assert not any("PM1:" in text for text in (str(shown), table))
    assert "ticket.activated" in table
    assert (cancelled["ticket_code"], cancelled["order_status"]) == (code, "CANCELLED")
    assert [each.returncode for each in (again, wrong, unknown)] == [1, 1, 1]
    assert "reason" in wrong.stderr
    [event] = shop.sql(
        "SELECT actor, request_id FROM audit_events WHERE event = 'ticket.cancelled' AND ticket_code = %s",
        code,
    )
    assert event["actor"].startswith("command:")
    assert_books_balance(shop, seller)


def test_an_order_is_shown_which_is_recorded_and_cancelled(shop: Shop, seller: Seller) -> None:
    operator = Operator(shop.dsn)
    order_id = seller.order(seller.tickets(2)).json()["order_id"]

    shown = operator.does("order", "show", order_id)
    cancelled = operator.does("order", "cancel", order_id, "--reason", REASON)

    assert (shown["order_id"], shown["partner"], shown["customer_name"]) == (
        order_id,
        seller.name,
        "John Smith",
    )
    assert len(cancelled["ticket_codes"]) == 2
    viewed = shop.sql(
        "SELECT actor FROM audit_events WHERE event = 'ticket.customer_viewed' AND order_id = %s", order_id
    )
    assert [event["actor"].partition(":")[0] for event in viewed] == ["command"]
    assert_books_balance(shop, seller)


def test_batches_are_listed_shown_and_cancelled(shop: Shop, seller: Seller) -> None:
    operator, first, second = Operator(shop.dsn), unique("A"), unique("B")
    seller.tickets(3, batch_id=first)
    seller.tickets(2, batch_id=second)
    of_partner = ("--partner", seller.name)

    listed = operator.does("batch", "list", *of_partner)
    newest = operator.does("batch", "list", *of_partner, "--limit", "1")
    shown = operator.does("batch", "show", first, *of_partner)
    cancelled = operator.does("batch", "cancel", first, *of_partner, "--reason", REASON)
    unknown = operator.run("batch", "show", "none", *of_partner)

    assert [each["batch_id"] for each in listed] == [second, first]
    assert [each["batch_id"] for each in newest] == [second]
    assert (shown["batch_id"], shown["quantity"], shown["pre_generated"]) == (first, 3, 3)
    assert cancelled["cancelled"] == 3
    assert unknown.returncode == 1
    assert_books_balance(shop, seller)


def test_sales_are_listed_by_day_and_by_product(shop: Shop, seller: Seller) -> None:
    operator = Operator(shop.dsn)
    for code in seller.tickets(2):
        assert seller.activate(code).status_code == 200

    by_day = operator.does("sales", "--partner", seller.name)
    by_product = operator.does("sales", "--partner", seller.name, "--by", "product", "--days", "7")
    wrong = operator.run("sales", "--by", "month")

    assert sum(each["tickets"] for each in by_day) == 2
    assert [(each["product_id"], each["tickets"]) for each in by_product] == [(seller.product_id, 2)]
    assert {each["currency"] for each in by_day} == {"HKD"}
    assert wrong.returncode == 2
