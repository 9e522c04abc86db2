"""The record of what happened, as finance and operations search it."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from browser.conftest import Person, Somebody
from browser.visitors import Visitor, visitor
from markupsafe import Markup
from support.shop import Seller, Shop, unique
from support.staff import PASSWORD, new_staff
from support.taking_back import REASON, cancel, cancel_batch

from premade.console.audit.search_sql import EventRow
from premade.console.audit.sentences import sentence
from premade.console.auth import SESSION_COOKIE
from premade.console.csrf import FORM_TOKEN
from premade.staff.session import form_token
from premade.stock.hold import expire_holds


def seen(person: Person, **asked: Any) -> list[str]:
    """The sentences of the first page."""
    person.page.goto(f"{person.shop.url}/console/audit")
    for name, value in asked.items():
        field = person.page.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))
    person.page.get_by_role("button", name="Search").click()
    return person.page.locator("tbody td:nth-child(3)").all_inner_texts()


def test_a_ticket_is_followed_and_what_it_names_is_linked(somebody: Somebody, seller: Seller) -> None:
    [code] = seller.tickets(1, batch_id=(batch := unique("B")))
    order_id = seller.activate(code).json()["order_id"]
    cancel(seller, code)
    ann = somebody("finance")

    told = seen(ann, ticket=code.lower())

    assert [text.split(" “")[0].strip('" ') for text in told][1:] == [
        f"Ticket {code} was activated by order {order_id}."
    ]
    assert told[0].startswith(f"Ticket {code} was cancelled.")
    assert (
        ann.page.locator("tbody td:nth-child(4)").all_inner_texts()
        == [f"API key {seller.key_id} of {seller.name}"] * 2
    )
    assert seen(ann, order=order_id) == told
    assert seen(ann, partner=seller.partner_id, batch=batch) == [
        f"Batch {batch} of {seller.name} was generated: 1 tickets."
    ]
    ann.page.get_by_role("link", name=batch, exact=True).click()
    assert ann.heading == f"Batch {batch}"
    ann.page.get_by_role("link", name="Audit record").click()
    assert ann.page.locator("tbody tr").count() == 1
    seen(ann, ticket=code)
    ann.page.get_by_role("link", name=order_id, exact=True).click()
    assert ann.heading.startswith(f"Order {order_id}")


def found(visitor: Visitor, **query: Any) -> list[tuple[str, str]]:
    """The sentences of the first page, each with its actor."""
    return [(row[2], row[3]) for row in visitor.rows(f"/console/audit?{urlencode(query)}")]


def test_what_somebody_did_is_found_by_their_name(shop: Shop, seller: Seller) -> None:
    [code] = seller.tickets(1)
    with visitor(shop, "operations") as mei, visitor(shop, "admin") as ann:
        reason = "=The ferry <b>did not</b> sail"
        cancel_form = {"step": "save", "once": "0" * 32, "reason": reason}
        assert mei.sends(f"/console/tickets/{code}/cancel", **cancel_form).status_code == 303

        [(cancelled, actor)] = found(ann, who=mei.name)
        assert cancelled.startswith(f"Ticket {code} was cancelled.")
        assert (reason in cancelled, actor) == (True, mei.name)
        assert found(ann, who=mei.name, event="ticket.cancelled") == [(cancelled, actor)]
        assert found(ann, who=mei.name, event="batch.exported") == []
        key = f"API key {seller.key_id}"
        assert found(ann, who=key, partner=seller.partner_id, event="ticket.cancelled") == []


def test_sign_ins_refused_and_what_admins_do_are_in_the_record(shop: Shop) -> None:
    name = unique("mei")
    own = {"Sec-Fetch-Site": "same-origin"}
    new_staff(shop, name, "finance")
    with visitor(shop, "admin") as admin, shop.client() as client:
        assert admin.sends(f"/console/staff/{name}/role", role="operations").status_code == 303
        for password in ("three large ferries", PASSWORD):
            form = {"name": name, "password": password}
            client.post("/console/sign-in", data=form, headers=own)
        sign_out = {FORM_TOKEN: form_token(client.cookies[SESSION_COOKIE].strip('"'))}
        assert client.post("/console/sign-out", data=sign_out, headers=own).status_code == 303

        told = f"{name} now has the role operations. From 127.0.0.1."
        assert found(admin, who=admin.name) == [(told, admin.name)]
        refused = found(admin, who="console", event="staff.sign_in_refused")
        expected = f"Somebody tried to sign in as {name}: the name or the password was wrong."
        assert refused[0][0].startswith(expected)
        assert [sentence for sentence, _ in found(admin, who=name)] == [
            "Signed out. From 127.0.0.1.",
            "Signed in. Identified by password. From 127.0.0.1.",
        ]


@pytest.mark.nightly
def test_a_time_is_found_however_long_the_record_is(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    """Events of a year to come, so that they are the newest and in order, as those of a service are."""
    year = shop.sql(
        "SELECT greatest(max(extract(year FROM occurred_at)), 2100)::int + 1 AS year FROM audit_events"
    )[0]["year"]
    shop.sql(
        "INSERT INTO audit_events (partner_id, event, actor, ticket_code, data, occurred_at)"
        " SELECT %s, 'ticket.activated', %s, 'CRUISE-2100-FERRY-' || lpad(n::text, 13, '0'), jsonb_build_object('payment_reference', 'PAY'),"
        " make_timestamptz(%s, 1, 1, 0, 0, 0, 'UTC') + n * interval '1 second' FROM generate_series(0, 24999) AS n",
        seller.partner_id, f"key:{seller.key_id}", year,
    )  # fmt: skip
    shop.sql(
        "INSERT INTO audit_events (event, actor, data, occurred_at)"
        " VALUES ('staff.signed_in', 'staff:0', '{}', make_timestamptz(%s, 1, 2, 0, 0, 0, 'UTC'))",
        year,
    )
    ann = somebody("finance")

    told = seen(ann, start=f"{year}-01-01T05:00", before=f"{year}-01-01T05:01")
    ann.page.get_by_role("link", name="Next page").click()
    told += ann.page.locator("tbody td:nth-child(3)").all_inner_texts()

    codes = [f"CRUISE-2100-FERRY-{5 * 3600 + n:013}" for n in range(59, -1, -1)]
    assert [text.split()[1] for text in told] == codes
    assert ann.page.get_by_role("link", name="Next page").count() == 0
    # Far from the newest: a page that finds nothing says how far back it looked, and leads on.
    assert seen(ann, partner=seller.partner_id, event="ticket.redeemed") == []
    assert "searches further back" in ann.page.inner_text("main")
    for _ in range(3):
        ann.page.get_by_role("link", name="Next page").click()
        if not ann.page.get_by_role("link", name="Next page").count():
            break
    assert "No events found" in ann.page.inner_text("main")


@pytest.mark.nightly
def test_pages_go_on_without_a_repetition_or_a_gap(somebody: Somebody, seller: Seller) -> None:
    codes = seller.tickets(60)
    for code in codes:
        cancel(seller, code)
    ann = somebody("operations")

    first = seen(ann, partner=seller.partner_id, event="ticket.cancelled")
    ann.page.get_by_role("link", name="Next page").click()
    second = ann.page.locator("tbody td:nth-child(3) a").all_inner_texts()

    assert len(first) == 50
    assert [text.split()[1] for text in first] + second == codes[::-1]
    ann.page.get_by_role("link", name="First page").click()
    assert ann.page.locator("tbody td:nth-child(3)").all_inner_texts() == first


def test_what_is_wrong_is_told_beside_its_field_and_stays_there(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    ann = somebody("finance")
    other = shop.seller()
    [code] = seller.tickets(1)
    wrong = {
        "ticket": ("CRUISE-2025-FERRY-0000000000001", "No partner has a ticket"),
        "order": ("ORD-1\0", "No partner has an order"),
        "who": ("nobody'; --", "Must be a name of the staff"),
        "partner": ("x", "Choose a partner"),
        "batch": ("B", "Choose the partner too"),
        "event": ("ticket.eaten", "Choose an event"),
        "start": ("soon", "Must be a day and a time"),
        "before": ("0001-01-01T00:00", "Must be a day and a time"),
    }

    with ann.as_client() as client:
        for field, (value, told) in wrong.items():
            answer = client.get("/console/audit", params={field: value})
            assert answer.status_code == 400, field
            assert told in answer.text
            assert f'id="{field}-wrong"' in answer.text
        mixed = client.get("/console/audit", params={"ticket": code, "partner": other.partner_id})
        for odd in ({"cursor": "x"}, {"partner": "9" * 19}):
            assert client.get("/console/audit", params=odd).status_code == 400
        strange = client.get("/console/audit?who=%ED%A0%80&ticket=%00&start=9999-12-31T23:59&who=a&who=b")

    assert "another partner" in mixed.text
    assert strange.status_code == 400
    ann.goes_to("/console/audit?who=nobody")
    assert ann.page.get_by_label("Who").input_value() == "nobody"


def test_an_event_of_another_version_is_shown_with_its_values() -> None:
    event = {
        "event": "cake.eaten",
        "partner_id": None,
        "ticket_code": None,
        "order_id": None,
        "batch_id": None,
    }
    assert sentence(event_row(**event | {"data": {"how_much": "<all>"}}), {}, {}) == Markup(
        "cake.eaten; how much: &lt;all&gt;"
    )
    bare = {**event, "event": "batch.exported", "partner_id": 1, "batch_id": "..", "data": {"form": "csv"}}
    assert str(sentence(event_row(**bare), {1: "<A>"}, {})) == "batch.exported; form: csv"
    whole = {**bare, "data": {"format": "csv", "more": 1}}
    assert str(sentence(event_row(**whole), {1: "<A>"}, {})) == (
        'Tickets of batch <a class="" href="/console/batch?partner=1&amp;batch=..">..</a> of &lt;A&gt; were exported: csv.'
    )


def event_row(**given: Any) -> EventRow:
    known: dict[str, Any] = {"event_id": 1, "actor": "service", "occurred_at": datetime.now(UTC)}
    return EventRow(**known | given)


def test_a_scan_that_was_reported_late_says_how_late() -> None:
    used = {
        "event": "ticket.redeemed",
        "partner_id": 1,
        "ticket_code": "CRUISE-2025-FERRY-1762274285982",
        "order_id": None,
        "batch_id": None,
        "data": {
            "uses": 1,
            "function_code": "ferry",
            "device_id": "GATE-1",
            "scan_id": "1",
            "entry": "offline",
            "entitlements": [{"function_code": "ferry", "remaining_uses": 1}],
            "status": "ACTIVE",
            "days_late": 3,
        },
    }

    assert sentence(event_row(**used), {}, {}).endswith(
        "The device uploaded the scan 3 days after the ticket's last day."
    )


def test_the_overview_shows_what_was_counted_at_the_gates(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    shop.sql(
        "INSERT INTO gate_counts VALUES (current_date, 'key:7', 'GATE-9', 'QR_INVALID', %s, 20000, now()),"
        " (current_date, 'key:7', '', 'LATE', %s, 2, now())",
        seller.partner_id,
        seller.partner_id,
    )
    ann = somebody("operations")

    ann.goes_to(f"/console?partner={seller.partner_id}")

    rows = ann.page.get_by_role("region", name="At the gates").locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[:4] for row in rows] == [
        ["QR code forged or of another system", "API key 7", "GATE-9", "20,000"],
        ["Scan uploaded after the ticket's last day", "API key 7", "others", "2"],
    ]


def test_what_ended_by_its_time_is_found_by_the_clock(shop: Shop, seller: Seller) -> None:
    held = seller.hold(3)
    shop.sql(
        "UPDATE reservations SET created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'"
        " WHERE reservation_id = %s",
        held,
    )
    shop.operate(lambda database, runtime: expire_holds(database, runtime, seller.product_id, seller.channel))

    with visitor(shop, "finance") as ann:
        by_clock = ann.http.get(f"/console/audit?who=Clock&partner={seller.partner_id}")
        by_service = ann.http.get(f"/console/audit?who=service&partner={seller.partner_id}")

    assert by_clock.status_code == 200
    assert held in by_clock.text
    assert '<td data-label="by">the clock</td>' in by_clock.text
    assert held not in by_service.text


def test_the_same_change_of_many_tickets_of_a_batch_is_one_row(shop: Shop, seller: Seller) -> None:
    first, second = unique("MANY"), unique("MANY")
    for batch, quantity in ((first, 80), (second, 2)):
        seller.tickets(quantity, batch_id=batch)
        assert cancel_batch(seller, batch).status_code == 200

    with visitor(shop, "finance") as joe:
        rows = joe.rows(f"/console/audit?partner={seller.partner_id}&event=ticket.cancelled")

    assert [row[2] for row in rows] == [
        f"2 tickets of batch {second} . {REASON}",
        f"80 tickets of batch {first} . {REASON}",
    ]
