"""The texts that the scripts of the gate page write come from the catalogue, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Person, Somebody
from gate.conftest import gate_of, sold
from playwright.sync_api import expect
from support.pseudo_language import MARKED, names_in, translated_service
from support.shop import Seller, Shop

from premade.catalog.names import name_function

GATE = "/console/gate"
ALL_TEXT = """() => {
    const found = [], walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) found.push(walk.currentNode.data);
    return found.join(" ");
}"""
READ_ALOUD = """async () => {
    const script = document.querySelector('script[src$="gate.mjs"]').src;
    const { sentenceOf, titleOf } = await import(script.replace("gate.mjs", "sentences.mjs"));
    const told = { left: new Map([["gift", 1]]), usable_until: "2026-03-31", used_here_at: "2026-03-31T12:00:00Z" };
    const codes = ["UNKNOWN", "QR_INVALID", "TEST_TICKET", "LIVE_TICKET", "NO_MATCH", "QR_REVOKED", "EXPIRED",
        "FUNCTION_UNKNOWN", "NO_LIST", "LIST_OLD", "NEEDS_NETWORK", "SIGNED_OUT", "TOO_MANY_SCANS", "KEYBOARD_LAYOUT",
        "CAPS_LOCK", "INCOMPLETE", "USED_UP"];
    const wanted = { function_code: "ferry", uses: 2 };
    return [
        ...codes.map((code) => sentenceOf({ ...told, code }, wanted)),
        ...codes.map(titleOf),
        titleOf("?"),
        sentenceOf({ ...told, code: "USED_UP", remaining: 1 }, wanted),
        sentenceOf({ ...told, admitted: true, remaining: 0 }, wanted),
    ];
}"""


@pytest.fixture(name="url")
def _url(dsn: str, tmp_path: Path) -> Iterator[str]:
    with translated_service(dsn, tmp_path) as url:
        yield url


def untranslated(text: str, names: set[str]) -> set[str]:
    """The words of a text that are neither translated nor names."""
    words = {word.strip("·,.:()✓✗").lower() for word in MARKED.sub(" ", text).split()}
    return {word for word in words if word.isalpha() and word not in names}


def everything_shown(page: Person) -> str:
    return str(page.page.evaluate(ALL_TEXT))


@pytest.mark.nightly
def test_the_scripts_of_the_gate_write_in_the_reader_s_language(
    somebody: Somebody, seller: Seller, url: str
) -> None:
    sold(seller)
    mei = somebody("operations")
    mei.shop.url = url
    mei.goes_to(GATE)
    expect(mei.page.locator("#state")).to_contain_text("⟦Ónlíné⟧")
    mei.page.locator("#device summary").click()
    mei.page.locator("#function").select_option("ferry")
    mei.page.locator("#device-name").fill("?")
    mei.page.locator("#device-name").blur()
    mei.page.locator("#scanned").fill("https://example.com/a-poster")
    mei.page.keyboard.press("Enter")
    expect(mei.page.locator("#answer .text")).to_contain_text("⟦Nót óúrs⟧")

    names = names_in(mei.shop)
    assert untranslated(everything_shown(mei), names) == set()
    assert [text for text in mei.page.evaluate(READ_ALOUD) if untranslated(text, names)] == []


@pytest.mark.nightly
def test_a_guard_sees_the_names_of_functions_in_the_language_of_the_page(
    somebody: Somebody, seller: Seller, shop: Shop
) -> None:
    shop.operate(lambda d, r: name_function(d, r, "gift", {"zh-Hant": "禮品"}))
    ticket, other = sold(seller, 2)
    assert gate_of(shop, seller.name).redeem(other, "gift").status_code == 200
    ben = somebody("gate", locale="zh-HK")
    ben.goes_to(GATE)
    ben.page.get_by_role("button", name="禮品").click()
    ben.page.locator("#scanned").fill(ticket.qr)
    ben.page.keyboard.press("Enter")
    expect(ben.page.locator("#answer .sentence")).to_have_text("歡迎：禮品 1 次，剩餘 無。")
    expect(ben.page.locator("#device-shown")).to_contain_text("用於 禮品")
    ben.page.locator("#scanned").fill(other.qr)
    ben.page.keyboard.press("Enter")
    expect(ben.page.locator("#answer .sentence")).to_contain_text("這張門票的 禮品 沒有剩餘次數。")
    shop.sql("DELETE FROM function_names")
