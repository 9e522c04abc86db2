"""Hand scanners at the gate page: what they end with, through which keyboard, how fast; and whose verdict is shown."""

import re
from typing import Any

import pytest
from browser.gate_page import SCANS, GatePage, at_gate, uses_of
from gate.conftest import Ticket, sold
from offline.test_reading import LAYOUTS, typed
from playwright.sync_api import expect
from support.shop import Seller, Shop

__all__ = ["at_gate"]

FORGED = "PM1:CRUISE-2025-FERRY-1762274285982:1:K1:" + "0" * 96
KEYS = 5


def types(gate: GatePage, text: str, *ending: str) -> None:
    """The first and the last keys one by one, and at once what is between them: a scanner is faster than a test."""
    keyboard = gate.page.keyboard
    keyboard.type(text[:KEYS])
    if len(text) > 2 * KEYS:
        keyboard.insert_text(text[KEYS:-KEYS])
    keyboard.type(text[max(KEYS, len(text) - KEYS) :])
    for key in ending:
        gate.page.keyboard.press(key)


def is_empty_and_focused(gate: GatePage) -> None:
    assert gate.page.locator("#scanned").input_value() == ""
    assert gate.page.evaluate("document.activeElement.id") == "scanned"


@pytest.mark.parametrize("ending", [(), ("Enter",), ("Tab",), ("Enter", "Control+j"), ("Control+m", "Control+j"), ("Enter", "Enter"), ("Tab", "Enter")], ids=" ".join)  # fmt: skip
@pytest.mark.nightly(but_first=True)
def test_a_scanner_may_end_with_whatever_it_does(
    at_gate: Any, shop: Shop, seller: Seller, ending: tuple[str, ...]
) -> None:
    gate, [first, second] = at_gate(), sold(seller, 2)

    types(gate, first.qr, *ending)
    gate.hears("yes", first.code)
    is_empty_and_focused(gate)
    types(gate, FORGED, *ending)
    gate.hears("no", "Not ours")
    is_empty_and_focused(gate)
    types(gate, second.qr, *ending)
    gate.hears("yes", second.code)

    is_empty_and_focused(gate)
    assert [len(uses_of(shop, ticket)) for ticket in (first, second)] == [1, 1]


TAB_HEARD_LATE = """(token) => {
    const field = document.querySelector("#scanned");
    field.focus();
    field.value = token;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    const tab = new KeyboardEvent("keydown", { key: "Tab", bubbles: true, cancelable: true });
    const until = performance.now() + 1_000;
    while (performance.now() < until);
    field.dispatchEvent(tab);
    return tab.defaultPrevented;
}"""


@pytest.mark.nightly
def test_an_ending_that_a_busy_device_hears_late_belongs_to_its_scan(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller)

    assert gate.page.evaluate(TAB_HEARD_LATE, ticket.qr) is True

    gate.hears("yes", ticket.code)
    is_empty_and_focused(gate)


@pytest.mark.parametrize("ending", [(), ("Tab",), ("Enter",)], ids=" ".join)
@pytest.mark.nightly
def test_a_code_of_others_without_an_ending_is_red_and_leaves_nothing_in_the_field(
    at_gate: Any, seller: Seller, ending: tuple[str, ...]
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    types(gate, ticket.qr, *ending)
    gate.hears("yes")

    types(gate, "WIFI:S:CRUISE-2025-FERRY-1762274285982;T:WPA;P:secret;;", *ending)

    gate.hears("no", "Not ours", "not from this service")
    is_empty_and_focused(gate)
    for place in ("#answer", "#last li:first-child"):
        expect(gate.page.locator(place)).not_to_contain_text("CRUISE")
        expect(gate.page.locator(place)).not_to_contain_text("WIFI")


@pytest.mark.nightly
def test_a_part_of_a_code_is_told_and_does_not_spoil_the_next_scan(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)

    types(gate, ticket.qr[:90])
    gate.hears("no", "Scan again", "Only part of the code")
    # Broken off, and the whole one right after it.
    types(gate, ticket.qr[:60])
    types(gate, ticket.qr)

    gate.hears("yes", ticket.code)
    is_empty_and_focused(gate)


@pytest.mark.nightly
def test_the_first_character_of_the_next_code_removes_the_green(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    types(gate, ticket.qr, "Enter")
    gate.hears("yes", ticket.code)

    gate.page.keyboard.press("P")

    gate.hears("asking")
    expect(gate.page.locator("#answer")).not_to_contain_text(ticket.code)
    gate.page.keyboard.press("Backspace")
    gate.hears("idle", "Ready")


@pytest.mark.nightly
def test_a_blank_after_a_scan_is_nothing_new(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller)

    types(gate, ticket.qr, "Space", "Space")

    gate.hears("yes", ticket.code)
    is_empty_and_focused(gate)


@pytest.mark.parametrize("ending", [(), ("Enter",), ("Tab",)], ids=" ".join)
@pytest.mark.nightly
def test_scans_as_fast_as_can_be_are_each_counted_and_the_last_one_is_shown(
    at_gate: Any, shop: Shop, seller: Seller, ending: tuple[str, ...]
) -> None:
    gate, tickets = at_gate(), sold(seller, 5)

    for ticket in tickets:
        types(gate, ticket.qr, *ending)

    gate.hears("yes", tickets[-1].code)
    expect(gate.page.locator("#last li")).to_have_count(5)
    assert [len(uses_of(shop, ticket)) for ticket in tickets] == [1] * 5
    is_empty_and_focused(gate)


@pytest.mark.nightly
def test_the_answer_to_an_older_scan_is_never_that_of_a_newer_one(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [slow, next_one] = at_gate(), sold(seller, 2)
    held: list[Any] = []
    # The first request hangs; what comes after it is answered.
    gate.page.route(f"**{SCANS}", lambda route: route.continue_() if held else held.append(route))

    with gate.page.expect_request(f"**{SCANS}"):
        gate.scans(slow.qr)
    gate.hears("asking")
    gate.scans(FORGED)
    gate.hears("asking")
    held[0].continue_()

    gate.hears("no", "Not ours", "The scan before: ✓ Let in", slow.code)
    gate.page.unroute(f"**{SCANS}")
    gate.page.route(f"**{SCANS}", lambda route: held.append(route))  # noqa: PLW0108  (Playwright keeps notes on it)
    with gate.page.expect_request(f"**{SCANS}"):
        gate.scans(next_one.qr)
    gate.page.keyboard.press("P")
    held[1].continue_()
    gate.hears("asking", "The scan before: ✓ Let in", next_one.code)
    gate.page.keyboard.press("Backspace")
    gate.hears("idle", "Ready")


@pytest.mark.nightly
def test_an_older_refusal_is_told_beside_the_newer_green(at_gate: Any, seller: Seller) -> None:
    gate, [good] = at_gate(), sold(seller)
    held: list[Any] = []
    gate.page.route(f"**{SCANS}", lambda route: route.continue_() if held else held.append(route))

    with gate.page.expect_request(f"**{SCANS}"):
        gate.scans(FORGED)
    gate.scans(good.qr)
    expect(gate.page.locator("#answer")).to_have_class(re.compile("asking"))
    held[0].continue_()

    gate.hears("yes", good.code, "The scan before: ✗ Not ours")


@pytest.mark.nightly
def test_scanned_twice_before_the_first_answer_it_is_let_in_once_and_shown_green(
    at_gate: Any, shop: Shop, seller: Seller
) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    held: list[Any] = []
    gate.page.route(f"**{SCANS}", lambda route: held.append(route))  # noqa: PLW0108  (Playwright keeps notes on it)

    with gate.page.expect_request(f"**{SCANS}"):
        gate.scans(ticket.qr)
    gate.scans(ticket.qr)
    gate.hears("asking")
    held[0].continue_()

    gate.hears("yes", "1 left")
    assert len(uses_of(shop, ticket)) == 1


@pytest.mark.parametrize("layout", ["German", "French", "Italian"])
@pytest.mark.nightly
def test_a_scanner_on_another_keyboard_layout_lets_in_all_the_same(
    at_gate: Any, shop: Shop, seller: Seller, layout: str
) -> None:
    gate, [plain, locked] = at_gate(), sold(seller, 2)

    types(gate, typed(f"]Q1{plain.qr}", layout), "Enter")
    gate.hears("yes", plain.code)
    expect(gate.page.locator("#scanned-how")).to_contain_text("keyboard layout")
    types(gate, typed(locked.qr, layout, caps_lock=True), "Tab")
    gate.hears("yes", locked.code)

    expect(gate.page.locator("#scanned-how")).to_contain_text("Caps lock is on")
    assert [len(uses_of(shop, ticket)) for ticket in (plain, locked)] == [1, 1]


@pytest.mark.nightly
def test_a_layout_that_nobody_knows_is_told_in_its_own_words(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller)
    dvorak = str.maketrans("-./+QWERTYUIOPSDFGHJKL:ZXCVBN", '[vz}"<>PYFGCRLOEUIDHTNS:QJKXB')

    types(gate, ticket.qr.translate(dvorak), "Enter")

    gate.hears("no", "Scanner setting", "another keyboard layout")
    assert "Japanese" in LAYOUTS


@pytest.mark.nightly
def test_a_scan_finds_its_field_wherever_the_focus_is(at_gate: Any, shop: Shop, seller: Seller) -> None:
    gate, tickets = at_gate(), sold(seller, 7)
    gate.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    function = gate.page.locator("#function").input_value()

    for place, ticket in zip(
        ("camera", "typed-code", "typed-digits", "device-name", "function", "uses", "look"), tickets, strict=True
    ):  # fmt: skip
        gate.page.locator(f"#{place}").focus()
        types(gate, ticket.qr)
        gate.hears("yes", ticket.code)

    assert gate.page.locator("#function").input_value() == function
    assert gate.page.locator("#device-name").input_value() == gate.device
    assert gate.page.locator("#typed-code").input_value() == ""


@pytest.mark.nightly
def test_a_ticket_code_from_a_scanner_asks_for_the_digits(at_gate: Any, seller: Seller) -> None:
    gate, [ticket] = at_gate(), sold(seller, phone="+85291234567")

    types(gate, ticket.code.replace("-", "").lower())

    expect(gate.page.get_by_label("Ticket code")).to_have_value(ticket.code)
    assert gate.page.evaluate("document.activeElement.id") == "typed-digits"
    gate.page.get_by_label("Ticket code").fill(f" {ticket.code.lower().replace('-', ' ')} ")
    gate.page.get_by_label("Last 4 digits").fill("4567")
    gate.page.get_by_role("button", name="Let in by code").click()
    gate.hears("yes", ticket.code)


@pytest.mark.parametrize("function_code", ["constructor", "tostring", "hasownproperty", "valueof"])
@pytest.mark.nightly
def test_a_function_may_have_the_name_of_what_every_object_has(
    at_gate: Any, shop: Shop, seller: Seller, function_code: str
) -> None:
    other = shop.seller(functions={function_code: 1})
    gate, [ferry], [named] = at_gate(function_code=function_code), sold(seller), sold(other)
    gate.is_ready_to_lose_it([ferry, named])
    gate.loses_network()
    gate.page.clock.install()

    for _ in range(2):
        types(gate, ferry.qr, "Enter")
        gate.hears("no", "Not for this gate")
        gate.page.clock.fast_forward(4_000)
    types(gate, named.qr, "Enter")
    gate.hears("yes", "none left")
    gate.page.clock.fast_forward(4_000)
    types(gate, named.qr, "Enter")
    gate.hears("no", "Used up")
    gate.page.clock.resume()
    gate.finds_network()
    gate.state_is("Online")
    expect(gate.page.locator("#state")).not_to_contain_text("wait")
    gate.page.clock.fast_forward(4_000)
    types(gate, named.qr, "Enter")
    gate.hears("no", "Used up")
    assert _is_sane(gate, [ferry])


def _is_sane(gate: GatePage, tickets: list[Ticket]) -> bool:
    return gate.page.evaluate(
        """async (codes) => {
            const open = await new Promise((done) => { const it = indexedDB.open("premade-gate"); it.onsuccess = () => done(it.result); });
            const all = await new Promise((done) => { const it = open.transaction("tickets").objectStore("tickets").getAll(); it.onsuccess = () => done(it.result); });
            open.close();
            const listed = all.filter((each) => codes.includes(each.ticket_code));
            return listed.length > 0 && listed.every((each) => Object.values(each.uses).every(Number.isInteger) && !Object.hasOwn(each.uses, "constructor"));
        }""",
        [ticket.code for ticket in tickets],
    )
