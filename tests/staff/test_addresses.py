"""Events that matter for security have the address of the client that caused them."""

from browser.visitors import text_of, visitor
from support import past
from support.shop import Seller, Shop, unique
from support.staff import PASSWORD
from support.terminal import Operator

from premade.audit.event import FromClient, Subject
from premade.audit.events import CATALOGUE

MATTERS = {Subject.STAFF, Subject.KEY, Subject.PARTNER}


def addresses(shop: Shop, actor: str) -> dict[str, set[str | None]]:
    """The addresses of an actor's events, by the name of the event."""
    rows = shop.sql("SELECT event, data->>'client_ip' AS ip FROM audit_events WHERE actor = %s", actor)
    return {
        name: {row["ip"] for row in rows if row["event"] == name} for name in {row["event"] for row in rows}
    }


def test_no_event_about_staff_partners_keys_or_customers_is_without_it() -> None:
    for event in CATALOGUE.values():
        name = event.kind.name
        if event.kind.subject in MATTERS or name.startswith("ticket.customer_"):
            assert issubclass(event, FromClient), name


def test_changes_by_the_console_have_the_address_of_the_browser(shop: Shop, seller: Seller) -> None:
    [ticket] = past.generate(shop, seller, 1).tickets
    order = past.activate(shop, seller, ticket.ticket_code)
    with visitor(shop, "admin") as ann:
        name = unique("mei")
        sent = [
            ann.sends("/console/staff", name=name, role="gate", password=PASSWORD),
            ann.sends(f"/console/staff/{name}/role", role="finance"),
            ann.sends(f"/console/staff/{name}/disable"),
            ann.sends(f"/console/partners/{seller.partner_id}/disable"),
        ]
        ann.page(f"/console/orders/{order.order_id}")
        found = addresses(shop, f"staff:{ann.staff_id}")
        shown = ann.page("/console/audit?event=staff.role_set")

    assert {answer.status_code for answer in sent} == {303}
    assert found.keys() == {
        "staff.added", "staff.role_set", "staff.disabled", "partner.disabled", "ticket.customer_viewed",
    }  # fmt: skip
    assert all(ips == {"127.0.0.1"} for ips in found.values())
    assert "now has the role finance. From 127.0.0.1." in text_of(shown)


def test_changes_by_a_command_have_none(shop: Shop) -> None:
    name = unique("mei")
    added = Operator(shop.dsn).run(
        "staff", "add", name, "--role", "gate", "--password-stdin", typed=f"{PASSWORD}\n"
    )
    [row] = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'staff.added'"
        " AND data->>'staff_id' = (SELECT staff_id::text FROM staff WHERE name = %s)",
        name,
    )

    assert added.returncode == 0, added.stderr
    assert "client_ip" not in row["data"]
