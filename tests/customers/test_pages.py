"""The console's page of customers: for admins, with every reading recorded."""

from browser.visitors import rows_of, visitor
from support.shop import Seller, Shop, unique


def test_an_admin_finds_exports_and_erases_a_customer(shop: Shop, seller: Seller) -> None:
    email = f"{unique('mei')}@example.com"
    orders = [seller.activate(code, email=email).json()["order_id"] for code in seller.tickets(2)]

    with visitor(shop, "admin") as ann:
        found = ann.sends("/console/customers", email=email.upper())
        exported = ann.sends("/console/customers/export", email=email)
        preview = ann.sends("/console/customers/erase", step="preview", email=email)
        done = ann.sends("/console/customers/erase", step="save", email=email)
        again = ann.sends("/console/customers", email=email)
        page = ann.page(f"/console/orders/{orders[0]}")
        events = [ann.events(f"ticket.customer_{what}") for what in ("viewed", "exported", "erased")]

    assert [row[0] for row in rows_of(found.text)] == orders
    assert exported.headers["Content-Disposition"] == 'attachment; filename="customer.json"'
    assert exported.headers["Cache-Control"] == "private, no-store"
    assert [each["order"]["order_id"] for each in exported.json()["orders"]] == orders
    assert email in preview.text
    assert (done.status_code, done.headers["Location"]) == (303, "/console/customers?done=erased")
    assert again.status_code == 404
    assert "erased on" in page
    assert email not in page
    assert [sorted({str(row["order_id"]) for row in rows}) for rows in events] == [sorted(orders)] * 3


def test_nobody_else_may(shop: Shop, seller: Seller) -> None:
    email = f"{unique('mei')}@example.com"
    [code] = seller.tickets()
    order_id = seller.activate(code, email=email).json()["order_id"]

    for role in ("operations", "finance", "gate"):
        with visitor(shop, role) as who:
            for path in ("", "/export", "/erase"):
                assert who.sends(f"/console/customers{path}", step="save", email=email).status_code == 403

    assert seller.http.get(f"/api/ota/orders/{order_id}").json()["customer_email"] == email
