"""Measure how fast a browser paints each page of the console, with ten million tickets in the database."""

import asyncio
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, sync_playwright
from support.chromium import launched

from bench.load import Void
from bench.place import TEN_MILLION, Place
from premade.postgres.database import open_database
from premade.runtime.clock import Runtime
from premade.staff.member import add_staff

OK = 200
PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length"
PAINTED_MS = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
NUMBER = f"{TEN_MILLION // 2:013d}"
"""Number of a sold ticket in the middle, and of its order."""
CODE, ORDER = f"CRUISE-2025-FERRY-{NUMBER}", f"ORD-{NUMBER}"
SEARCHES = (CODE, ORDER, f"john.smith.{int(NUMBER)}@example.com", "+1234567890", f"PAY-OTA-{int(NUMBER)}")
"""Searches. All customers have this phone number."""


def slowest_page_ms(place: Place) -> tuple[float, str]:
    """Return the time from a click to the first paint of the slowest page, in ms, and the name of the page."""
    with _signed_in_page(place) as page:
        visits: dict[str, Callable[[], None]] = {
            path: partial(_go, page, place, path) for path in _paths(place)
        }
        visits |= {f"search of {text}": partial(_search, page, place, text) for text in SEARCHES}
        return max((_painted_ms(page, visit), name) for name, visit in visits.items())


def _paths(place: Place) -> list[str]:
    seller = place.seller
    batch = f"partner={seller.partner_id}&batch=FILL-{TEN_MILLION // 200}"
    return [
        *(f"/console?days={days}" for days in (7, 30, 90)),
        f"/console?partner={seller.partner_id}&days=90",
        "/console/tickets",
        *(f"/console/tickets/{CODE}{page}" for page in ("", "/cancel", "/reissue")),
        f"/console/orders/{ORDER}",
        "/console/batches",
        f"/console/batches?partner={seller.partner_id}&product={seller.product_id}&status=MADE",
        "/console/batches?status=STOPPED",
        f"/console/batch?{batch}",
        f"/console/batch?{batch}&state=ACTIVE",
        *(f"/console/batch/{page}?{batch}" for page in ("cancel", "stop")),
        f"/console/batches/new?partner={seller.partner_id}",
        "/console/stock",
        *(f"/console/stock/products/{seller.product_id}{page}" for page in ("", "/change")),
        f"/console/stock/products/{seller.product_id}/allotment?channel={seller.channel}",
        "/console/stock/new",
        "/console/partners",
        "/console/partners/new",
        *(
            f"/console/partners/{seller.partner_id}{page}"
            for page in ("", "/limits", "/disable", "/keys/new")
        ),
        "/console/operator-keys",
        "/console/gate",
        "/console/audit",
        f"/console/audit?ticket={CODE}",
        f"/console/audit?order={ORDER}",
        "/console/audit?event=ticket.cancelled",
        "/console/audit?who=console&start=2020-01-01T00:00&before=2020-01-02T00:00",
        "/console/staff",
        "/console/account",
    ]


@contextmanager
def _signed_in_page(place: Place) -> Generator[Page]:
    """Yield a page of a browser in which an admin is signed in."""
    name, password = f"mei-{secrets.token_hex(4)}", secrets.token_hex()

    async def add() -> None:
        async with open_database(place.dsn, connections_max=1) as database:
            await add_staff(database, Runtime(ZoneInfo("UTC")), name, "admin", password)

    asyncio.run(add())
    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        page = browser.new_page()
        page.goto(f"{place.service.url}/console/sign-in")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/console")
        yield page
        browser.close()


def _go(page: Page, place: Place, path: str) -> None:
    answer = page.goto(f"{place.service.url}{path}")
    if answer is None or answer.status != OK:
        message = f"{path} was answered {answer and answer.status}"
        raise Void(message)


def _search(page: Page, place: Place, text: str) -> None:
    _go(page, place, "/console/tickets")
    page.get_by_role("searchbox").fill(text)
    with page.expect_navigation() as navigation:
        page.keyboard.press("Enter")
    if navigation.value.status != OK:
        message = f"the search of {text} was answered {navigation.value.status}"
        raise Void(message)


def _painted_ms(page: Page, visit: Callable[[], None]) -> float:
    visit()
    page.wait_for_function(PAINTED)
    return page.evaluate(PAINTED_MS)
