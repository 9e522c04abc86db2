"""Somebody of the operator's staff at a browser, Debian's Chromium, on the service as it is run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from browser.visitors import Member
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)
from support.chromium import launched
from support.plain_http import NO_TLS
from support.shop import Shop, unique
from support.staff import PASSWORD, new_staff, sign_in

from premade.console.addresses import HOME
from premade.console.auth import SESSION_COOKIE

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
WAIT_MS_MAX = 60_000
"""A busy machine is slow. Only a test that fails waits this long."""
expect.set_options(timeout=WAIT_MS_MAX)


@dataclass
class Person(Member):
    """A member of the staff, and the page they look at."""

    page: Page

    def goes_to(self, path: str) -> int:
        """The status of the page."""
        answer = self.page.goto(f"{self.shop.url}{path}")
        assert answer is not None
        return answer.status

    def signs_in(self, password: str = PASSWORD) -> None:
        self.goes_to("/console/sign-in")
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_load_state()

    def searches(self, text: str) -> None:
        self.page.get_by_label("Ticket code, order id").fill(text)
        self.page.get_by_label("Ticket code, order id").press("Enter")
        self.page.wait_for_load_state()

    def chooses(self, of: str, *, value: str | None = None, label: str | None = None) -> None:
        """Choose in a filter, which applies at once."""
        with self.page.expect_navigation():
            self.page.get_by_label(of, exact=True).select_option(value=value, label=label)

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.shop.url)

    @property
    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    def cookie(self) -> dict[str, Any]:
        [cookie] = [each for each in self.page.context.cookies() if each.get("name") == SESSION_COOKIE]
        return dict(cookie)

    def as_client(self) -> httpx.Client:
        """A program that has their cookie."""
        return httpx.Client(
            base_url=self.shop.url,
            headers={"Cookie": f"{self.cookie()['name']}={self.cookie()['value']}"},
            timeout=60,
            trust_env=False,
            verify=NO_TLS,
        )

    def form_token(self) -> str:
        return self.page.locator("input[name=form_token]").first.get_attribute("value") or ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone with its module: while it is there, no other test of the process can run an event loop."""
    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        yield browser
        browser.close()


Somebody = Callable[..., Person]


@pytest.fixture
def somebody(shop: Shop, browser: Browser) -> Iterator[Somebody]:
    """A new member of the staff with this role, signed in; at a desk unless told. Whatever a page loads comes from the
    service, and no page complains.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def arrive(role: str = "operations", *, signed_in: bool = True, **browsing: Any) -> Person:
        name = unique("mei")
        new_staff(shop, name, role)
        how: dict[str, Any] = {"viewport": DESK, **browsing}
        context = browser.new_context(**how)
        context.set_default_timeout(WAIT_MS_MAX)
        contexts.append(context)
        if signed_in:
            # Of the path that the service sets: signing in again replaces this cookie.
            host, token = str(urlsplit(shop.url).hostname), sign_in(shop, name).token
            context.add_cookies([{"name": SESSION_COOKIE, "value": token, "domain": host, "path": HOME}])
        page = context.new_page()

        def note_message(message: ConsoleMessage) -> None:
            complaints.append(f"{page.url}: {message.text}")

        def note_request(request: Request) -> None:
            if not request.url.startswith(f"{shop.url}/"):
                complaints.append(request.url)

        page.on("console", note_message)
        page.on("request", note_request)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        person = Person(shop, name, page)
        if signed_in:
            person.goes_to("/console")
        return person

    yield arrive
    for context in contexts:
        context.close()
    # That a page was refused is what some tests ask for.
    assert [text for text in complaints if "Failed to load resource" not in text] == []
