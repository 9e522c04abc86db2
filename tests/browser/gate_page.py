"""Somebody at the gate page with a hand scanner."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from browser.conftest import PHONE, Person, Somebody
from gate.conftest import Ticket
from playwright.sync_api import Page, expect
from support.shop import Shop, unique

GATE = "/console/gate"
SCANS = f"{GATE}/redemptions"


@dataclass
class GatePage:
    """Somebody at the gate page, with a device of a name of its own."""

    who: Person
    device: str

    @property
    def page(self) -> Page:
        return self.who.page

    def scans(self, text: str) -> None:
        """As a hand scanner does: it types and ends with Enter, wherever the focus is."""
        self.page.keyboard.press(text[0])
        self.page.keyboard.insert_text(text[1:])
        self.page.keyboard.press("Enter")

    def hears(self, kind: str, *texts: str) -> None:
        """The answer that is shown now is of this kind and holds these texts."""
        answer = self.page.locator("#answer")
        expect(answer).to_have_class(re.compile(rf"^answer {kind}( even)?$"))
        for text in texts:
            expect(answer).to_contain_text(text)

    def state_is(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator("#state")).to_contain_text(text)

    def loses_network(self) -> None:
        self.page.context.set_offline(True)
        self.state_is("Works without network")

    def finds_network(self) -> None:
        self.page.context.set_offline(False)

    def is_ready_to_lose_it(self, tickets: list[Ticket]) -> None:
        """The page is kept on the device, with a list that has these tickets."""
        self.page.evaluate(
            "navigator.serviceWorker.ready.then((it) => it.active.state === 'activated' || new Promise((done) => it.active.addEventListener('statechange', done)))"
        )
        self.page.reload()
        listed = """async (codes) => {
            const open = await new Promise((done) => { const it = indexedDB.open("premade-gate"); it.onsuccess = () => done(it.result); });
            const all = await new Promise((done) => { const it = open.transaction("tickets").objectStore("tickets").getAll(); it.onsuccess = () => done(it.result); });
            open.close();
            return codes.every((code) => all.some((each) => each.ticket_code === code));
        }"""  # fmt: skip
        for _ in range(150):
            if self.page.evaluate(listed, [ticket.code for ticket in tickets]):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("The list lacks a ticket")


@pytest.fixture
def at_gate(somebody: Somebody) -> Any:
    """Arrives at the gate page with a device that is for the ferry."""

    def arrive(role: str = "gate", function_code: str = "ferry", **browsing: Any) -> GatePage:
        who = somebody(role, **{"viewport": PHONE, **browsing})
        gate = GatePage(who, unique("device"))
        who.goes_to(GATE)
        gate.state_is("Online")
        if not gate.page.locator("#device").get_attribute("open"):
            gate.page.locator("#device").evaluate("(it) => { it.open = true }")
        gate.page.get_by_label("Name of the device").fill(gate.device)
        gate.page.get_by_label("What this gate is for").select_option(function_code)
        gate.page.locator("#device summary").click()
        gate.hears("idle", "Ready")
        return gate

    return arrive


def uses_of(shop: Shop, ticket: Ticket) -> list[dict[str, Any]]:
    rows = shop.sql(
        "SELECT actor, data FROM audit_events WHERE event = 'ticket.redeemed' AND ticket_code = %s ORDER BY event_id",
        ticket.code,
    )
    return [{"actor": row["actor"], **row["data"]} for row in rows]
