"""Who scanned, how old the list may be, signing out of a device, and test mode on the gate page."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from browser.conftest import PASSWORD, Person, Somebody
from browser.gate_page import GATE, GatePage, at_gate, uses_of
from gate.conftest import sold
from playwright.sync_api import expect
from support.shop import Seller, Shop, unique

from premade.runtime.clock import rfc3339
from premade.staff.member import add_staff, set_disabled

__all__ = ["at_gate"]

LISTED = """async () => {
    const open = await new Promise((done) => { const it = indexedDB.open("premade-gate"); it.onsuccess = () => done(it.result); });
    const count = await new Promise((done) => { const it = open.transaction("tickets").objectStore("tickets").count(); it.onsuccess = () => done(it.result); });
    open.close();
    return count;
}"""


def signs_in(gate: GatePage, name: str) -> None:
    gate.page.get_by_label("Name", exact=True).fill(name)
    gate.page.get_by_label("Password").fill(PASSWORD)
    gate.page.get_by_role("button", name="Sign in").click()


def colleague(shop: Shop) -> tuple[str, int]:
    name = unique("ben")
    shop.operate(lambda database, runtime: add_staff(database, runtime, name, "gate", PASSWORD))
    [row] = shop.sql("SELECT staff_id FROM staff WHERE name = %s", name)
    return name, row["staff_id"]


@pytest.mark.nightly
def test_what_one_guard_scanned_and_another_sent_is_recorded_as_of_the_first(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket, gone] = at_gate(), sold(seller, 2)
    (ben, ben_id), mei_id = colleague(shop), gate.who.staff_id
    gate.is_ready_to_lose_it([ticket, gone])
    gate.loses_network()
    gate.scans(ticket.qr)
    gate.hears("yes")
    gate.page.get_by_role("button", name="Sign out").click(no_wait_after=True)
    gate.page.once("dialog", lambda dialog: dialog.accept())
    gate.page.get_by_role("button", name="Sign out").click()
    gate.state_is("Signed out", "1 scan waits to be sent", "no list")
    shop.sql("DELETE FROM staff_sessions WHERE staff_id = %s", mei_id)

    gate.finds_network()
    gate.who.goes_to(f"/console/sign-in?next={GATE}")
    signs_in(gate, ben)
    gate.state_is("Online")
    expect(gate.page.locator("#state")).not_to_contain_text("wait")

    [use] = uses_of(shop, ticket)
    assert (use["actor"], use["entry"]) == (f"staff:{mei_id}", "offline")
    assert use["uploaded_by"] == f"staff:{ben_id}"


@pytest.mark.parametrize("proof", ["none", "forged", "of another time", "nonsense"])
@pytest.mark.nightly
def test_without_proof_the_scans_are_those_of_who_sends_them(
    at_gate: Any, somebody: Somebody, shop: Shop, seller: Seller, proof: str
) -> None:
    mei: Person = at_gate().who
    ben, [ticket] = somebody("gate"), sold(seller)
    with ben.as_client() as client:
        session = client.get(f"{GATE}/session").json()
        staff_id, at, mac = session["guard"].split(".")
        assert int(staff_id) == ben.staff_id
        guard = {
            "none": None,
            "forged": f"{mei.staff_id}.{at}.{mac}",
            "of another time": f"{staff_id}.{int(at) + 86_400}.{mac}",
            "nonsense": "constructor",
        }[proof]
        answer = client.post(
            f"{GATE}/sync",
            headers={"X-Form-Token": session["form_token"], "Sec-Fetch-Site": "same-origin"},
            json={
                "device_id": unique("device"),
                "redemptions": [
                    {
                        "scan_id": unique("scan"),
                        "qr": ticket.qr,
                        "function_code": "ferry",
                        "scanned_at": rfc3339(datetime.now(UTC)),
                        "guard": guard,
                    }
                ],
            },
        )
        assert answer.status_code == httpx.codes.OK, answer.text
    [use] = uses_of(shop, ticket)
    assert use["actor"] == f"staff:{ben.staff_id}"
    assert use.get("uploaded_by") is None


def test_an_old_list_admits_nobody_before_a_guard_confirmed_it(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    gate.is_ready_to_lose_it([ticket])
    gate.loses_network()
    # The clock of the page, 25 hours on.
    gate.page.clock.install(time=datetime.fromtimestamp(datetime.now(UTC).timestamp() + 25 * 3600, UTC))
    gate.page.reload()
    gate.state_is("Works without network", "list of 25 hours ago")

    gate.scans(ticket.qr)
    gate.hears("no", "Old list", "too old")
    expect(gate.page.locator("#old-list")).to_contain_text("limit is 24 hours")
    gate.page.get_by_role("button", name="Use the old list").click()
    gate.page.clock.fast_forward(4_000)
    gate.scans(ticket.qr)

    gate.hears("yes", "1 left")
    expect(gate.page.locator("#old-list")).to_contain_text("You chose to go on")
    gate.page.reload()
    gate.state_is("Works without network")
    gate.page.clock.fast_forward(4_000)
    gate.scans(ticket.qr)
    gate.hears("no", "Old list")


@pytest.mark.nightly
def test_signing_out_in_another_tab_takes_the_list_and_the_gate(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    gate.is_ready_to_lose_it([ticket])
    assert gate.page.evaluate(LISTED) > 0
    other = gate.page.context.new_page()
    other.goto(f"{shop.url}/console/account")

    other.get_by_role("button", name="Sign out", exact=True).click()
    other.wait_for_url("**/console/sign-in")

    gate.state_is("Signed out", "no list")
    assert gate.page.evaluate(LISTED) == 0
    gate.scans(ticket.qr)
    gate.hears("no", "Sign in")
    gate.page.context.set_offline(True)
    gate.page.reload()
    gate.state_is("Signed out", "no list")
    gate.scans(ticket.qr)
    gate.hears("no", "Sign in")


@pytest.mark.nightly
def test_the_list_goes_when_the_service_ends_the_session_and_scans_that_wait_stay(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    gate.is_ready_to_lose_it([ticket])
    gate.loses_network()
    gate.scans(ticket.qr)
    gate.hears("yes")
    shop.operate(lambda database, runtime: set_disabled(database, runtime, gate.who.name, disabled=True))

    gate.finds_network()

    gate.state_is("no list", "1 scan waits to be sent")
    assert gate.page.evaluate(LISTED) == 0
    ben, _ = colleague(shop)
    gate.page.get_by_role("link", name="Sign in").click()
    signs_in(gate, ben)
    gate.state_is("Online", "ticket")
    [use] = uses_of(shop, ticket)
    assert use["actor"] == f"staff:{gate.who.staff_id}"


@pytest.mark.nightly
def test_without_network_the_page_still_says_who_is_signed_in_and_signs_out(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    gate.is_ready_to_lose_it([ticket])
    gate.page.context.set_offline(True)
    gate.page.reload()
    gate.state_is("Works without network")
    expect(gate.page.locator("#person")).to_contain_text(gate.who.name)

    gate.page.get_by_role("button", name="Sign out").click()

    gate.state_is("Signed out", "no list")
    expect(gate.page.locator("#person")).to_be_hidden()
    assert shop.sql("SELECT 1 FROM staff_sessions WHERE staff_id = %s", gate.who.staff_id)
    gate.finds_network()
    for _ in range(150):
        if gate.page.evaluate("localStorage.getItem('premade-gate-leaving')") is None:
            break
        gate.page.wait_for_timeout(100)
    assert shop.sql("SELECT 1 FROM staff_sessions WHERE staff_id = %s", gate.who.staff_id) == []


@pytest.mark.nightly
def test_a_scan_that_the_service_never_takes_does_not_keep_the_others(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller, 3)
    gate.is_ready_to_lose_it(tickets)
    gate.loses_network()
    for ticket in tickets:
        gate.scans(ticket.qr)
        gate.hears("yes", ticket.code)
    # A note that no version of the service can read.
    gate.page.evaluate(
        """async () => {
            const open = await new Promise((done) => { const it = indexedDB.open("premade-gate"); it.onsuccess = () => done(it.result); });
            const notes = open.transaction("notes", "readwrite").objectStore("notes");
            const keys = await new Promise((done) => { const it = notes.getAllKeys(); it.onsuccess = () => done(it.result); });
            const note = await new Promise((done) => { const it = notes.get(keys[1]); it.onsuccess = () => done(it.result); });
            notes.put({ ...note, uses: 0 }, keys[1]);
            open.close();
        }"""
    )

    gate.finds_network()

    gate.state_is("Online")
    expect(gate.page.locator("#state")).not_to_contain_text("wait")
    expect(gate.page.locator("#conflicts li")).to_have_count(1)
    expect(gate.page.locator("#conflicts li")).to_contain_text(tickets[1].code)
    assert [len(uses_of(shop, ticket)) for ticket in tickets] == [1, 0, 1]


@pytest.mark.nightly
def test_a_test_ticket_is_refused_with_network_and_without(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate, [real], [sample] = at_gate(), sold(seller), sold(shop.seller(is_test=True))
    gate.scans(sample.qr)
    gate.hears("no", "Test ticket", "This is a test ticket")
    gate.is_ready_to_lose_it([real])
    gate.loses_network()

    gate.scans(sample.qr)

    gate.hears("no", "Test ticket", "This is a test ticket")
    assert uses_of(shop, sample) == []


@pytest.mark.nightly
def test_in_test_mode_a_device_admits_test_tickets_only_and_says_so(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [real, other], samples = at_gate(), sold(seller, 2), sold(shop.seller(is_test=True), 2)
    gate.is_ready_to_lose_it([real, other])
    gate.page.locator("#device").evaluate("(it) => { it.open = true }")
    gate.page.get_by_label("Test mode").check()
    banner = gate.page.locator("#test-banner")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("TEST MODE")

    gate.scans(samples[0].qr)
    gate.hears("yes", "Test ticket good")
    gate.scans(real.qr)
    gate.hears("no", "Live ticket")
    gate.is_ready_to_lose_it(samples)
    expect(banner).to_be_visible()
    gate.loses_network()
    gate.scans(samples[1].qr)
    gate.hears("yes", "Test ticket good", "judged without network")
    gate.scans(other.qr)
    gate.hears("no", "Live ticket")

    # The live list is as it was: neither mode knows the other's tickets.
    gate.page.get_by_role("button", name="End test mode").click()
    expect(banner).to_be_hidden()
    gate.scans(other.qr)
    gate.hears("yes", "Let in")
    gate.scans(samples[1].qr)
    gate.hears("no", "Test ticket")
    gate.state_is("2 scans wait to be sent")
    gate.finds_network()
    gate.state_is("Online")
    expect(gate.page.locator("#state")).not_to_contain_text("wait")
    expect(gate.page.locator("#conflicts")).to_be_hidden()
    assert [len(uses_of(shop, ticket)) for ticket in (real, other, *samples)] == [0, 1, 1, 1]


@pytest.mark.nightly
def test_test_mode_ends_with_the_session(at_gate: Any) -> None:
    gate = at_gate()
    gate.page.locator("#device").evaluate("(it) => { it.open = true }")
    gate.page.get_by_label("Test mode").check()
    gate.page.reload()
    expect(gate.page.locator("#test-banner")).to_be_visible()

    gate.page.get_by_role("button", name="Sign out").click()
    gate.page.wait_for_url("**/console/sign-in")
    signs_in(gate, gate.who.name)
    gate.who.goes_to(GATE)
    gate.state_is("Online")

    expect(gate.page.locator("#test-banner")).to_be_hidden()
