"""The gate page: a phone's camera or a hand scanner, green or red, with network and without."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.barriers import FINDINGS
from browser.conftest import AXE, DESK, PASSWORD, PHONE
from browser.gate_page import GATE, SCANS, at_gate, uses_of
from gate.conftest import gate_of, sold, unsold
from playwright.sync_api import expect
from support.processes import wait_until
from support.shop import Seller, Shop
from support.taking_back import cancel, reissue

from premade.console.gate import pages as gate_module
from premade.console.gate.pages import files as gate_files
from premade.console.layout.icons import FOLDER
from premade.staff.member import set_disabled

__all__ = ["at_gate"]

SCRIPTS = Path(gate_module.__file__).parent / "static"


@pytest.mark.nightly
def test_a_hand_scanner_lets_a_ticket_in_once_and_says_what_is_left(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)

    gate.scans(ticket.qr)

    gate.hears(
        "yes", "Let in", "✓", "Welcome: 1 of ferry, 1 left.", "1 ferry, 1 gift, 10 tokens", ticket.code
    )
    [use] = uses_of(shop, ticket)
    assert (use["actor"], use["device_id"]) == (f"staff:{gate.who.staff_id}", gate.device)
    assert (use["entry"], use["uses"]) == ("scan", 1)
    assert gate.page.evaluate("document.activeElement.id") == "scanned"
    assert gate.page.locator("#scanned").input_value() == ""


@pytest.mark.nightly
def test_each_refusal_is_red_and_says_why(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate = at_gate()
    [fresh], [cancelled, revoked, used, good] = unsold(seller), sold(seller, 4)
    cancel(seller, cancelled.code)
    reissue(seller, revoked.code)
    other = gate_of(shop, None)
    assert other.redeem(used, uses=2).status_code == httpx.codes.OK
    forged = good.qr[:-1] + ("0" if good.qr[-1] != "0" else "1")

    for text, title, sentence in (
        (fresh.qr, "Not sold", "is not sold yet"),
        (cancelled.qr, "Cancelled", "is cancelled"),
        (revoked.qr, "Replaced", "newer QR code has replaced"),
        (used.qr, "Used up", f"at {other.device_id}"),
        (forged, "Not ours", "not from this service"),
        ("https://example.com/a-poster", "Not ours", "not from this service"),
    ):
        gate.scans(text)
        gate.hears("no", f"Stop: {title}", "✗", sentence)
    assert uses_of(shop, good) == []


@pytest.mark.nightly
def test_a_ticket_that_is_not_for_this_gate_is_refused(at_gate: Any, seller: Seller, shop: Shop) -> None:
    shop.seller(functions={"museum": 1})
    gate, [ticket] = at_gate(function_code="museum"), sold(seller)

    gate.scans(ticket.qr)

    gate.hears("no", "Stop: Not for this gate", "It is for: ferry, gift, tokens")


@pytest.mark.nightly
def test_a_code_that_is_held_up_is_used_once_and_a_moment_later_again(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    gate.page.clock.install()
    gate.scans(ticket.qr)
    gate.hears("yes", "1 left")
    gate.scans(ticket.qr)
    gate.hears("again", "Already let in", "Nothing more was used", "1 ferry")
    assert len(uses_of(shop, ticket)) == 1

    for told in ("none left", "Used up"):
        gate.page.clock.fast_forward(4_000)
        gate.scans(ticket.qr)
        expect(gate.page.locator("#answer")).to_contain_text(told)

    gate.hears("no", "It was last used at", gate.device)
    assert len(uses_of(shop, ticket)) == 2


def test_a_lost_answer_uses_a_ticket_once(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate, [listed] = at_gate(), sold(seller)
    gate.is_ready_to_lose_it([listed])
    gate.page.route("**/console/gate/snapshot*", lambda route: route.abort())
    [later] = sold(seller)

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    gate.page.clock.install()
    gate.page.route(f"**{SCANS}", lose)
    gate.scans(listed.qr)
    gate.hears("yes", "1 left", "judged without network")
    gate.page.clock.fast_forward(6_000)
    gate.state_is("Online")
    assert [use["entry"] for use in uses_of(shop, listed)] == ["scan"]

    gate.scans(later.qr)
    gate.hears("no", "Unknown")
    gate.page.unroute(f"**{SCANS}")
    gate.page.clock.fast_forward(6_000)
    gate.state_is("Online")
    gate.scans(later.qr)
    gate.hears("yes", "1 left")
    assert len(uses_of(shop, later)) == 1


def test_without_network_the_page_loads_and_admits_by_its_list(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket, contested, revoked] = at_gate(), sold(seller, 3)
    reissue(seller, revoked.code)
    gate.is_ready_to_lose_it([ticket, contested, revoked])
    [late] = sold(seller)
    gate.loses_network()
    gate.page.reload()
    gate.state_is("Works without network", "tickets listed")
    gate.page.clock.install()

    gate.scans(ticket.qr)
    gate.hears("yes", "Let in", "Welcome: 1 of ferry, 1 left.", "judged without network")
    gate.page.clock.fast_forward(4_000)
    gate.scans(ticket.qr)
    gate.hears("yes", "none left")
    gate.page.clock.fast_forward(4_000)
    gate.scans(ticket.qr)
    gate.hears("no", "Used up", "It was admitted here at")
    gate.scans(late.qr)
    gate.hears("no", "Unknown", "not on this device")
    gate.scans(revoked.qr)
    gate.hears("no", "Replaced")
    gate.scans(ticket.qr[:-1] + ("0" if ticket.qr[-1] != "0" else "1"))
    gate.hears("no", "Not ours")
    gate.scans(contested.qr)
    gate.hears("yes", "1 left")
    gate.state_is("3 scans wait to be sent")
    assert uses_of(shop, ticket) == []

    other = gate_of(shop, None)
    assert other.redeem(contested, uses=2).status_code == httpx.codes.OK
    gate.finds_network()

    gate.state_is("Online")
    conflicts = gate.page.locator("#conflicts li")
    expect(conflicts).to_have_count(1)
    expect(conflicts).to_contain_text(contested.code)
    expect(conflicts).to_contain_text(other.device_id)
    assert [(use["entry"], use["actor"]) for use in uses_of(shop, ticket)] == [
        ("offline", f"staff:{gate.who.staff_id}")
    ] * 2
    assert "wait" not in gate.page.inner_text("#state")
    gate.page.reload()
    gate.state_is("Online")
    gate.page.get_by_role("button", name="Seen").click()
    expect(gate.page.locator("#conflicts")).to_be_hidden()
    gate.page.reload()
    gate.state_is("Online")
    expect(gate.page.locator("#conflicts")).to_be_hidden()
    kept = "indexedDB.open('premade-gate')"
    assert (
        gate.page.evaluate(
            f"new Promise((done) => {{ const it = {kept}; it.onsuccess = () => {{ const all = it.result.transaction('notes').objectStore('notes').count(); all.onsuccess = () => done(all.result); }} }})"
        )
        == 0
    )


@pytest.mark.nightly
def test_a_session_that_ends_while_the_network_is_away_loses_no_scan(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller)
    gate.is_ready_to_lose_it(tickets)
    gate.loses_network()
    gate.scans(tickets[0].qr)
    gate.hears("yes", "1 left")
    shop.sql("DELETE FROM staff_sessions WHERE staff_id = %s", gate.who.staff_id)

    gate.finds_network()
    gate.state_is("Nobody is signed in", "1 scan waits")
    gate.scans(tickets[0].qr.replace(":1:", ":2:", 1))
    gate.hears("no", "Sign in")
    gate.page.get_by_role("link", name="Sign in").click()
    gate.page.get_by_label("Name").fill(gate.who.name)
    gate.page.get_by_label("Password").fill(PASSWORD)
    gate.page.get_by_role("button", name="Sign in").click()

    gate.state_is("Online")
    assert gate.who.path == GATE
    expect(gate.page.locator("#state")).not_to_contain_text("wait")
    assert [use["entry"] for use in uses_of(shop, tickets[0])] == ["offline"]


@pytest.mark.nightly
def test_whom_the_service_no_longer_lets_in_admits_nobody_without_network_either(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller)
    gate.is_ready_to_lose_it(tickets)
    shop.operate(lambda database, runtime: set_disabled(database, runtime, gate.who.name, disabled=True))
    gate.scans(tickets[0].qr)
    gate.hears("no", "Sign in")

    gate.page.context.set_offline(True)
    gate.page.reload()
    gate.state_is("Signed out", "no list")
    gate.scans(tickets[0].qr)

    gate.hears("no", "Sign in")


@pytest.mark.nightly
def test_a_revoked_device_admits_nobody_without_network_either(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller, 2)
    gate.is_ready_to_lose_it(tickets)
    gate.scans(tickets[0].qr)
    gate.hears("yes", "Welcome")
    shop.sql(
        "UPDATE gate_devices SET state = 'REVOKED' WHERE owner = 'console' AND device_id = %s RETURNING 1",
        gate.device,
    )
    # The service knows the old state for up to two seconds.
    status = f"fetch('/console/gate/snapshot?device_id={gate.device}').then((answer) => answer.status)"
    wait_until(lambda: gate.page.evaluate(status) == 403, "the device is not refused")
    gate.page.reload()

    gate.state_is("revoked", "no list")
    gate.scans(tickets[1].qr)
    gate.hears("no", "Device revoked", gate.device)
    gate.loses_network()
    gate.scans(tickets[0].qr)
    gate.hears("no", "No list")


@pytest.mark.nightly
def test_signing_out_with_scans_that_were_not_sent_asks_first_and_then_admits_nobody(
    at_gate: Any, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller, 2)
    gate.is_ready_to_lose_it(tickets)
    sign_out = gate.page.get_by_role("button", name="Sign out")
    asked: list[str] = []
    # The service is away, and the way to it is not: as when its database is.
    gate.page.route("**/console/gate/*", lambda route: route.abort())
    gate.scans(tickets[0].qr)
    gate.hears("yes", "judged without network")
    gate.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    sign_out.click()
    assert "1 scan of this device was not sent" in asked[0]
    assert gate.who.path == GATE

    gate.page.once("dialog", lambda dialog: dialog.accept())
    sign_out.click()
    gate.state_is("Signed out", "no list", "1 scan waits")
    gate.page.context.set_offline(True)
    gate.who.goes_to(GATE)
    gate.state_is("Signed out", "no list", "1 scan waits")
    gate.scans(tickets[1].qr)
    gate.hears("no", "Sign in")


@pytest.mark.nightly
def test_a_code_is_typed_in_with_the_digits_of_the_phone(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller, phone="+85291234567")
    page = gate.page

    gate.scans(ticket.code)
    assert page.get_by_label("Ticket code").input_value() == ticket.code
    for digits, kind, told in (
        ("0000", "no", "Code and digits do not match"),
        ("4567", "yes", "1 left"),
    ):
        page.get_by_label("Last 4 digits").fill(digits)
        page.get_by_role("button", name="Let in by code").click()
        gate.hears(kind, told)

    assert [use["entry"] for use in uses_of(shop, ticket)] == ["manual"]
    gate.loses_network()
    page.get_by_label("Last 4 digits").fill("5678")
    page.get_by_role("button", name="Let in by code").click()
    gate.hears("no", "No network")


@pytest.mark.nightly
def test_only_looking_uses_nothing(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate, tickets = at_gate("operations"), sold(seller)
    gate.page.locator("#device summary").click()
    gate.page.get_by_label("Only look").check()
    gate.page.locator("#device summary").click()

    gate.scans(tickets[0].qr)

    gate.hears("yes", "Good", "2 ferry")
    assert uses_of(shop, tickets[0]) == []
    gate.page.reload()
    gate.state_is("Online")
    gate.scans(tickets[0].qr)
    gate.hears("yes", "Let in", "1 left")


def test_only_the_files_of_the_page_are_served_and_only_this_version_may_be_kept(shop: Shop) -> None:
    with shop.client() as client:
        version = re.findall(r'"version":"([0-9a-f]{16})"', client.get(f"{GATE}/worker.js").text)[0]
        for name, content in gate_files().items():
            answer = client.get(f"{GATE}/files/{version}/{name}")
            assert (answer.content, "immutable" in answer.headers["cache-control"]) == (content, True)
            assert client.get(f"{GATE}/files/older/{name}").headers["cache-control"] == "private, no-store"
        for name in ("worker.js", "zxing-wasm/LICENSE", "..%2fconsole.css", ""):
            assert client.get(f"{GATE}/files/{version}/{name}", follow_redirects=False).status_code != 200, (
                name
            )


@pytest.mark.parametrize(
    ("ours", "package", "names"),
    [
        (
            "zxing-wasm",
            "zxing-wasm/dist/es",
            ["share.js", "reader/index.js"],
        ),
        ("zxing-wasm/reader", "zxing-wasm/dist/reader", ["zxing_reader.wasm"]),
        ("zxing-wasm", "zxing-wasm", ["LICENSE"]),
        ("noble-ed25519", "@noble/ed25519", ["index.js", "LICENSE"]),
    ],
)
def test_the_libraries_are_those_of_their_packages_with_their_licences(
    ours: str, package: str, names: list[str]
) -> None:
    here, there = SCRIPTS / ours, AXE.parents[1] / package

    for name in names:
        assert (here / name).read_bytes() == (there / name).read_bytes(), "copy the version of package.json"


def test_the_icons_are_those_of_their_package_with_its_licence() -> None:
    ours = resources.files("premade.console") / FOLDER
    package = AXE.parents[1] / "heroicons"

    names = sorted(each.name for each in ours.iterdir())
    assert "LICENSE" in names
    for name in names:
        there = package / name if name == "LICENSE" else package / "24" / "outline" / name
        assert (ours / name).read_bytes() == there.read_bytes(), name


def test_nothing_is_served_or_kept_beside_the_page_and_its_libraries() -> None:
    libraries = {"noble-ed25519/index.js", "noble-ed25519/LICENSE"} | {
        f"zxing-wasm/{name}"
        for name in (
            "share.js",
            "reader/index.js",
            "reader/zxing_reader.wasm",
            "LICENSE",
            "LICENSE-zxing-cpp",
        )
    }
    there = {str(file.relative_to(SCRIPTS)) for file in SCRIPTS.rglob("*") if file.is_file()}

    assert {name for name in there if "/" in name} == libraries
    assert set(gate_files()) == {name for name in there if "LICENSE" not in name} - {"worker.js"}


@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESK), ("dark", PHONE)])
@pytest.mark.nightly
def test_the_page_has_no_barrier_whatever_it_shows(
    at_gate: Any, shop: Shop, seller: Seller, scheme: str, viewport: dict[str, int]
) -> None:
    gate, [ticket, contested] = at_gate(color_scheme=scheme, viewport=viewport), sold(seller, 2)
    gate.is_ready_to_lose_it([ticket, contested])
    found: dict[str, object] = {}

    def look(what: str) -> None:
        gate.page.evaluate(AXE.read_text())
        if findings := gate.page.evaluate(FINDINGS):
            found[what] = findings
        beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if (pixels := gate.page.evaluate(beyond)) > 0:
            found[f"{what} is wider"] = pixels

    gate.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    look("ready")
    gate.scans(ticket.qr)
    gate.hears("yes")
    look("green")
    gate.loses_network()
    gate.scans("W" * 400)
    gate.hears("no")
    look("red, without network")
    gate.scans(contested.qr)
    gate.hears("yes", "1 left")
    cancel(seller, contested.code)
    gate.finds_network()
    expect(gate.page.locator("#conflicts li")).to_have_count(1)
    look("conflict")
    assert found == {}


@pytest.mark.nightly
def test_everything_is_reached_by_keyboard_and_a_scan_still_finds_its_field(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, tickets = at_gate(), sold(seller)
    keyboard, reached = gate.page.keyboard, []
    gate.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    gate.page.locator("#main").focus()
    for _ in range(16):
        keyboard.press("Tab")
        reached.append(
            gate.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        )

    for wanted in ("camera", "scanned", "typed-code", "typed-digits", "Let in by code", "device-name", "function", "uses", "look", "sound", "vibration"):  # fmt: skip
        assert wanted in reached, reached
    gate.page.locator("#camera").focus()
    gate.scans(tickets[0].qr)
    gate.hears("yes", "1 left")
    assert gate.page.evaluate("document.activeElement.id") == "scanned"
