"""Who looked at a customer's details, at a QR, or exported tickets: an event, and not for everybody."""

import secrets
from typing import Any

from browser.conftest import Person, Somebody
from browser.visitors import Member, visitor
from support.shop import Seller, Shop, unique

from premade.audit.actors import COMMAND_ACTOR
from premade.console.audit.search import EventFilter, EventPage, search_events
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

QR, CUSTOMER_VIEWED = "ticket.qr_viewed", "ticket.customer_viewed"


def looks(person: Member) -> list[tuple[str, str, str | None]]:
    found = [event for name in (QR, CUSTOMER_VIEWED) for event in person.events(name)]
    assert all(event["data"] == {"client_ip": "127.0.0.1"} for event in found), "something of a customer's"
    return [(event["event"], event["ticket_code"], event["order_id"]) for event in found]


def sold(seller: Seller) -> tuple[str, str]:
    [code] = seller.tickets(1)
    return code, seller.activate(code).json()["order_id"]


def test_looking_at_a_qr_and_a_customer_is_recorded_once_an_hour_for_each_person_and_thing(
    shop: Shop, seller: Seller
) -> None:
    (code, order_id), (other, other_order) = sold(seller), sold(seller)
    ticket = [f"/console/tickets/{code}", f"/console/tickets/{code}/qr.svg"]
    expected = [(QR, code, None), (CUSTOMER_VIEWED, code, order_id)]

    with visitor(shop, "operations") as mei, visitor(shop, "admin") as ann:
        for path in [*ticket, f"/console/orders/{order_id}"] * 3:
            assert mei.status(path) == 200
        # A day has 24 hours, and this test may begin at the end of one.
        assert sorted(set(looks(mei))) == sorted(expected)
        assert len(looks(mei)) <= 2 * len(expected)
        mei.page(f"/console/orders/{other_order}")
        assert set(looks(mei)) == {*expected, (CUSTOMER_VIEWED, other, other_order)}
        assert looks(ann) == []
        for path in ticket:
            ann.page(path)
        assert sorted(looks(ann)) == sorted(expected)
    # The partner's own history of the ticket is not about the operator's staff.
    history = seller.http.get(f"/api/ota/tickets/{code}").json()["history"]
    assert [each["event"] for each in history] == ["ticket.generated", "ticket.activated"]


def test_a_list_of_orders_shows_as_many_customers(somebody: Somebody, shop: Shop) -> None:
    seller, mei = shop.seller(), somebody("finance")
    email = f"{unique('somebody')}@example.com"
    orders: list[str] = []
    for code in seller.tickets(3):
        answer = seller.activate(code, email=email)
        orders.append(answer.json()["order_id"])

    mei.goes_to(f"/console/orders/{orders[0]}/same/email")

    assert sorted(str(order_id) for _, _, order_id in looks(mei)) == sorted(orders)
    told = seen_in_the_record(mei, order=orders[1])
    assert f"The customer of order {orders[1]} was viewed." in told
    assert email not in told


def test_customers_that_a_search_shows_at_once_are_recorded(shop: Shop, seller: Seller) -> None:
    """Two numbers with the same end: the search itself lists their orders."""
    end = f"{secrets.randbelow(10**7):07}"
    orders = [
        seller.activate(code, phone=f"+{country}1{end}").json()["order_id"]
        for code, country in zip(seller.tickets(2), ("852", "44"), strict=True)
    ]

    with visitor(shop, "finance") as mei:
        found = mei.sends("/console/search", searched=f"1{end}")

        assert all(order in found.text for order in orders)
        assert sorted(str(order_id) for _, _, order_id in looks(mei)) == sorted(orders)


def seen_in_the_record(person: Person, **asked: Any) -> str:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    person.goes_to(f"/console/audit?{query}")
    return person.page.get_by_role("main").inner_text()


def test_finance_sees_no_qr(somebody: Somebody, seller: Seller) -> None:
    ann, mei = somebody("finance"), somebody("operations")
    code, order_id = sold(seller)

    ann.goes_to(f"/console/tickets/{code}")
    assert ann.page.locator("img[src*=qr]").count() == 0
    with ann.as_client() as client:
        assert client.get(f"/console/tickets/{code}/qr.svg").status_code == 403
    assert looks(ann) == [(CUSTOMER_VIEWED, code, order_id)]
    with mei.as_client() as client:
        assert client.get(f"/console/tickets/{code}/qr.svg").status_code == 200


def test_the_qr_of_a_reissue_is_another_one_to_look_at(shop: Shop) -> None:
    seller = shop.seller()
    [code] = seller.tickets(1)
    with visitor(shop, "operations") as mei:
        for _ in range(2):
            assert mei.status(f"/console/tickets/{code}/qr.svg") == 200
            assert (
                seller.http.post(f"/api/ota/tickets/{code}/reissue", json={"reason": "lost"}).status_code
                == 200
            )
    seen = shop.sql("SELECT event_id FROM audit_events WHERE ticket_code = %s AND event = %s", code, QR)
    assert len(seen) == 2


def test_a_partner_s_own_export_is_recorded_once_an_hour(shop: Shop) -> None:
    seller, batch = shop.seller(), unique("B")
    seller.tickets(2, batch_id=batch)

    def events() -> list[dict[str, Any]]:
        return shop.sql(
            "SELECT actor, data FROM audit_events WHERE event = 'batch.exported' AND partner_id = %s",
            seller.partner_id,
        )

    for _ in range(3):
        assert seller.http.get(f"/api/ota/batches/{batch}/tickets.csv").status_code == 200
    assert seller.http.get("/api/ota/batches/NONE/tickets.csv").status_code == 404
    assert events()[0] == {"actor": f"key:{seller.key_id}", "data": {"format": "csv"}}
    assert len(events()) <= 2
    before = len(events())
    assert seller.http.get(f"/api/ota/batches/{batch}/tickets").status_code == 200
    assert seller.http.get(f"/api/ota/batches/{batch}/tickets.csv?status=ACTIVE").status_code == 200
    assert len(events()) == before + 2


def test_the_system_user_of_a_command_is_shown_and_found(shop: Shop, seller: Seller) -> None:
    user = COMMAND_ACTOR.partition(":")[2]
    shop.sql(
        "INSERT INTO audit_events (partner_id, event, actor, occurred_at)"
        " VALUES (%s, 'partner.disabled', 'command', now()), (%s, 'partner.enabled', 'command:ingrid', now())",
        seller.partner_id,
        seller.partner_id,
    )

    with visitor(shop, "admin") as ann:

        def found(who: str) -> list[str]:
            return [row[3] for row in ann.rows(f"/console/audit?partner={seller.partner_id}&who={who}")]

        assert found("command")[:2] == ["command by ingrid", "an operator's command"]
        assert f"command by {user}" in found("command")
        assert found("command:ingrid") == found("Command by ingrid") == ["command by ingrid"]

    async def older(database: Database, _: Runtime) -> EventPage:
        event_filter = EventFilter(partner_id=seller.partner_id, actor="command")
        return await search_events(database, event_filter, None)

    assert {event.actor for event in shop.operate(older).events} == {
        "command", "command:ingrid", COMMAND_ACTOR,
    }  # fmt: skip
