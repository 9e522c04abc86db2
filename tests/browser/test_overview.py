"""The overview: figures that equal a count over the tables, for all partners or one, and what needs attention."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from browser.barriers import barriers_of
from browser.conftest import DESK, PASSWORD, PHONE, Person, Somebody
from monitoring.test_metrics import activate_at, own_database
from support.past import generate
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.taking_back import cancel

from premade.catalog.product import PRICE_MAX
from premade.catalog.product_input import NAME_CHARACTERS_MAX
from premade.monitoring import figures_sql, refusals
from premade.postgres.statements import Statement
from premade.runtime.clock import Runtime
from premade.staff.member import add_staff
from premade.texts.formats import day_in_full, money

ZONE = "Asia/Hong_Kong"
BY_DAY = """
    SELECT (t.activated_at AT TIME ZONE %s)::date AS day, t.currency, count(*) AS tickets, sum(t.price) AS amount
    FROM pre_generated_tickets t JOIN partners p USING (partner_id)
    WHERE t.activated_at IS NOT NULL AND CASE WHEN %s::bigint IS NULL THEN NOT p.is_test ELSE p.partner_id = %s END
    GROUP BY 1, 2
"""


@pytest.fixture(scope="module")
def own(dsn: str) -> Iterator[str]:
    with own_database(dsn) as own:
        yield own


@pytest.fixture(scope="module")
def own_service(own: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("overview") / "log"
    with running_service(environment_for(own, PREMADE_TIMEZONE=ZONE), log, workers=1) as service:
        yield service


@pytest.fixture
def shop(own: str, own_service: Service) -> Shop:
    """On a database of its own, so that all partners are those of these tests."""
    return Shop(own, own_service.url, Runtime(ZoneInfo(ZONE)))


def table(person: Person, heading: str) -> dict[str, str]:
    """What the chart of this heading shows, by day, read from its table."""
    chart = person.page.locator("figure").filter(has=person.page.get_by_text(heading, exact=True))
    chart.locator("summary").click()
    return dict(
        chart.locator("tbody tr").evaluate_all(
            "rows => rows.map((row) => [row.querySelector('time').dateTime, row.lastElementChild.innerText])"
        )
    )


def figure(person: Person, name: str) -> str:
    box = person.page.locator(".figures > div").filter(has_text=name)
    return " ".join(box.inner_text().split())


def counted(shop: Shop, partner_id: int | None = None) -> list[dict[str, Any]]:
    return shop.sql(BY_DAY, ZONE, partner_id, partner_id)


def assert_charts_equal_the_tables(person: Person, days: int, partner_id: int | None = None) -> None:
    """Asks the tables before and after: a sale, or midnight, may come between."""
    rows = counted(person.shop, partner_id)
    today = person.shop.runtime.today()
    span = [today - timedelta(days=before) for before in range(days)]
    sold = table(person, "Tickets sold a day")
    expected = {str(day): f"{sum(row['tickets'] for row in rows if row['day'] == day):,}" for day in span}
    assert sold == expected
    currencies = {row["currency"] for row in rows if row["day"] in span}
    for currency in currencies:
        amounts = {row["day"]: row["amount"] for row in rows if row["currency"] == currency}
        shown = table(person, f"Sales a day in {currency}")
        assert shown == {
            str(day): money(amounts.get(day, Decimal(0)).quantize(Decimal("0.01")), currency) for day in span
        }
    assert person.page.locator("figure.money").count() == len(currencies)


def test_before_anybody_has_sold_the_page_says_so_and_leads_to_test_partners(
    somebody: Somebody, shop: Shop
) -> None:
    assert counted(shop) == [], "this test comes first"
    mei = somebody("operations")
    assert "No live partner has sold anything in these 30 days." in mei.page.inner_text("main")
    assert mei.page.get_by_text("by itself").count() == 0
    tester = shop.seller(is_test=True)
    tester.activate(tester.tickets(2)[0])

    mei.goes_to("/console?days=7")
    assert "No live partner has sold anything in these 7 days." in mei.page.inner_text("main")
    assert mei.page.locator(".plot").count() == 0
    mei.page.get_by_role("link", name=tester.name).click()

    assert mei.path == f"/console?partner={tester.partner_id}&days=7"
    assert tester.name in mei.heading
    assert figure(mei, "Sold in 7 days").startswith("Sold in 7 days 1 HK$288.00")
    assert_charts_equal_the_tables(mei, 7, tester.partner_id)


def test_figures_and_charts_are_what_was_sold_and_refused(somebody: Somebody, shop: Shop) -> None:
    blue, green = shop.seller(), shop.seller(price=Decimal("12.50"), currency="EUR")
    tester = shop.seller(is_test=True)
    codes, greens = blue.tickets(30), green.tickets(10)
    now, midday = datetime.now(UTC), clock_time(12)
    for code, days in zip(codes[:12], (0, 0, 0, 1, 2, 6, 7, 20, 29, 30, 89, 91), strict=True):
        noon = datetime.combine(shop.runtime.today() - timedelta(days=days), midday, shop.runtime.zone)
        activate_at(shop, blue, code, noon if days else now)
    for code in greens[:3]:
        assert green.activate(code).status_code == 200
    cancel(blue, codes[0])
    cancel(blue, codes[20])
    tester.activate(tester.tickets(5)[0])
    for _ in range(4):
        assert blue.activate(codes[1]).status_code == 409
    assert green.generate(0).status_code == 400
    finance = somebody("finance")

    wait_for(finance, "/console?days=90", "Refused in 90 days", "5")
    assert_charts_equal_the_tables(finance, 90)
    assert figure(finance, "Unused tickets") == "Unused tickets 24 generated and not yet sold"
    assert figure(finance, "Sold in 90 days").startswith("Sold in 90 days 14 €37.50 and HK$3,168.00")
    assert figure(finance, "Refused in 90 days").startswith("Refused in 90 days 5 ")
    # Since noon of yesterday, or since later: with the sale of that hour or without it.
    assert figure(finance, "Activation rate").startswith(
        ("Activation rate 20.0% 6 sold in 24 hours", "Activation rate 22.6% 7 sold in 24 hours")
    )
    today = str(shop.runtime.today())
    assert table(finance, "Refused requests a day")[today] == "5"
    bars = finance.page.locator("figure.sold g.day")
    assert bars.count() == 90
    assert bars.last.locator("title").text_content() == f"{day_in_full(shop.runtime.today())}: 6 so far"
    heights = [bars.nth(place).locator(".value").bounding_box() for place in (-1, -2)]
    assert all(heights)
    drawn = [box["height"] for box in heights if box]
    assert drawn[0] == pytest.approx(6 * drawn[1], rel=0.05)
    image = finance.page.get_by_role("img", name="Tickets sold a day, 90 days: 14 in all, at most 6 a day")
    assert image.is_visible()

    finance.chooses("Partner", label=blue.name)
    finance.chooses("Days", value="7")
    assert finance.path == f"/console?partner={blue.partner_id}&days=7"
    assert_charts_equal_the_tables(finance, 7, blue.partner_id)
    assert figure(finance, "Refused in 7 days").startswith("Refused in 7 days 4 ")
    stock = finance.page.get_by_role("region", name="Days of stock left").inner_text()
    assert blue.channel in stock
    assert green.channel not in stock


def wait_for(person: Person, path: str, name: str, value: str) -> None:
    """Each process writes refusals down every few seconds."""
    deadline = time.monotonic() + 5 * refusals.WRITE_EVERY_SECONDS
    person.goes_to(path)
    while not figure(person, name).startswith(f"{name} {value} ") and time.monotonic() < deadline:
        person.page.reload()


@pytest.fixture
def idle(shop: Shop) -> Seller:
    """A partner that sells nothing, much of whose tickets expire soon, and whose stock is used up."""
    seller = shop.seller(stock=400, name="Slow Boat")
    now = datetime.now(UTC)
    past = replace(shop, runtime=replace(shop.runtime, now=lambda: now - timedelta(days=2)))
    for _ in range(4):
        generate(past, seller, 100, valid_until=(now + timedelta(days=5)).date())
    return seller


@pytest.mark.nightly
def test_what_needs_attention_is_told_with_what_to_do(somebody: Somebody, shop: Shop, idle: Seller) -> None:
    fresh = shop.seller(stock=1000)
    for _ in range(2):
        fresh.tickets(100)
    mei = somebody("operations")
    mei.goes_to(f"/console?partner={idle.partner_id}")

    told = mei.page.locator(".findings li")
    assert [text.splitlines()[0] for text in told.all_inner_texts()] == [
        f"No stock is left of Slow Boat in channel {idle.channel}",
        f"{idle.name} hardly sells Slow Boat: 0.0 % in 24 hours",
        f"400 unused tickets of {idle.name} for Slow Boat expire within 14 days",
    ]
    assert told.first.get_attribute("class") == "critical"
    told.last.get_by_role("link", name="its batches").click()
    assert mei.path == f"/console/batches?partner={idle.partner_id}"
    assert mei.page.locator("tbody tr").count() == 4

    mei.goes_to("/console")
    everything = mei.page.locator(".findings").inner_text()
    assert idle.name in everything
    assert fresh.name not in everything, "what was generated today is given a day to be sold"
    mei.goes_to(f"/console?partner={fresh.partner_id}")
    assert "No alerts about tickets or stock." in mei.page.inner_text("main")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("days=8", 400), ("days=30%00", 400), ("days=%ff", 400), ("days=7&days=x", 400), ("partner=x", 400),
        ("partner=1%00", 400), ("partner=99999999999999999999", 400), ("partner=999999999999999999", 404),
        ("partner=-1", 400), ("partner=%C2%B2", 400), ("partner=&days=", 200), ("days=7&days=90", 200), ("other=1", 200),
    ],
)  # fmt: skip
def test_an_address_that_asks_for_nonsense_is_told_so(client: httpx.Client, query: str, status: int) -> None:
    assert client.get(f"/console?{query}").status_code == status


@pytest.fixture(scope="module")
def client(own: str, own_service: Service) -> Iterator[httpx.Client]:
    yield from signed_in(Shop(own, own_service.url))


def signed_in(shop: Shop) -> Iterator[httpx.Client]:
    """A program that is signed in as an admin."""
    shop.operate(lambda database, runtime: add_staff(database, runtime, "client", "admin", PASSWORD))
    with shop.client() as client:
        here = {"Sec-Fetch-Site": "same-origin"}
        answer = client.post("/console/sign-in", data={"name": "client", "password": PASSWORD}, headers=here)
        assert answer.status_code == 303
        yield client


def test_an_address_with_a_choice_is_kept_through_signing_in(somebody: Somebody, shop: Shop) -> None:
    mei = somebody("finance", signed_in=False)
    mei.goes_to("/console?days=7")
    mei.page.get_by_label("Name").fill(mei.name)
    mei.page.get_by_label("Password").fill(PASSWORD)
    mei.page.keyboard.press("Enter")

    mei.page.wait_for_url("**/console?days=7")


@pytest.mark.nightly
def test_the_gate_has_no_overview(somebody: Somebody) -> None:
    gate = somebody("gate")

    assert gate.path == "/console/gate"
    gate.goes_to("/console?days=7")
    assert gate.path == "/console/gate"
    assert gate.page.get_by_role("link", name="Overview").count() == 0


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.nightly
def test_a_full_page_has_no_barrier_and_fits(
    somebody: Somebody, idle: Seller, viewport: dict[str, int]
) -> None:
    [one, *_] = idle.http.get("/api/ota/tickets", params={"status": "PRE_GENERATED"}).json()["items"]
    assert idle.activate(one["ticket_code"]).status_code == 200
    mei = somebody("operations", viewport=viewport)
    mei.goes_to(f"/console?partner={idle.partner_id}&days=90")
    mei.page.locator("summary").first.click()

    labels = mei.page.locator("figure.sold .name").evaluate_all(
        "all => all.filter(each => getComputedStyle(each).display != 'none')"
        ".map(each => each.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert len(labels) >= 3
    assert all(before[1] < after[0] for before, after in pairwise(labels))
    assert barriers_of(mei.page) == []


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.nightly
def test_the_dearest_sales_and_the_longest_names_fit(
    somebody: Somebody, shop: Shop, viewport: dict[str, int]
) -> None:
    dear = shop.seller(name="W" * NAME_CHARACTERS_MAX, price=PRICE_MAX, currency="USD")
    batch = unique("DEAR")
    dear.tickets(100, batch_id=batch)
    for _ in range(5):
        assert dear.draw(batch, 20).status_code == 200
    # As if there had been many more.
    shop.sql("UPDATE sales_days SET amount = amount * 1000 WHERE partner_id = %s", dear.partner_id)
    mei = somebody("operations", viewport=viewport)

    for path in ("/console", f"/console?partner={dear.partner_id}&days=90"):
        mei.goes_to(path)
        for details in mei.page.locator("summary").all():
            details.click()
        assert mei.page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0


def test_no_statement_of_the_page_reads_a_ticket_an_order_or_an_event() -> None:
    read = " ".join(each.text.decode() for each in vars(figures_sql).values() if isinstance(each, Statement))

    assert re.findall(r"\b(pre_generated_tickets|ota_orders|audit_events)\b", read) == []
