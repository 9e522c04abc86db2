"""Stock in the console: looking at it, and changes that say what they do before they are saved."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import httpx
import pytest
from browser.barriers import barriers_of
from browser.conftest import Person, Somebody
from browser.visitors import product_form, rows_of, text_of, visitor
from support.shop import Seller, Shop, unique

from premade.catalog.product import change_product, product_of
from premade.console.stock.product_form import as_typed
from premade.partners.partner import add_partner
from premade.staff.role import Role
from premade.staff.session import form_token
from premade.stock.allotment import set_allotment


def address(seller: Seller, more: str = "") -> str:
    return f"/console/stock/products/{seller.product_id}{more}"


def stock_of(seller: Seller) -> dict[str, Any]:
    [item] = seller.http.get("/api/ota/inventory").json()["items"]
    return item


def press(person: Person, name: str) -> None:
    person.page.get_by_role("button", name=name, exact=True).click()


def notice(person: Person) -> str:
    return person.page.locator(".notice").inner_text()


def test_stock_shows_each_product_and_what_its_channels_have(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    seller.tickets(30)
    seller.hold(20)
    other = unique("test-channel")
    shop.operate(lambda database, runtime: add_partner(database, runtime, other, channel=other, is_test=True))
    shop.operate(lambda database, runtime: set_allotment(database, runtime, seller.product_id, other, 0))
    shop.operate(
        lambda database, runtime: change_product(database, runtime, seller.product_id, usable_days=30)
    )
    finance = somebody("finance")
    finance.goes_to("/console/stock")

    finance.page.get_by_label("Name or id of a product").fill(str(seller.product_id))
    press(finance, "Search")

    rows = finance.page.locator("tbody tr")
    assert rows.count() == 2
    for told in (
        "Harbour Cruise Premium",
        "HK$288.00",
        "2 ferry, 1 gift, 10 tokens",
        "30 days after",
        "FERRY",
    ):
        assert told in rows.nth(0).inner_text()
    assert rows.nth(0).locator("td.figure").all_inner_texts()[1:] == ["1,000", "30", "20", "950"]
    bar = rows.nth(0).get_by_role("img")
    assert bar.get_attribute("aria-label") == "30 issued, 20 held, 950 available"
    widths = bar.locator("rect").evaluate_all("all => all.map(each => each.getBoundingClientRect().width)")
    assert widths[0] / widths[1] == pytest.approx(1.5, rel=0.05)
    assert "nothing allotted" in rows.nth(1).inner_text()
    assert "test" in rows.nth(1).locator(".tag").inner_text()
    assert finance.page.get_by_role("link", name="Add a product").count() == 0
    assert barriers_of(finance.page) == []


@pytest.mark.nightly
def test_a_price_is_changed_as_it_was_shown_before(somebody: Somebody, seller: Seller) -> None:
    seller.tickets(40)
    seller.tickets(2)
    mei = somebody("operations")
    mei.goes_to(address(seller))
    mei.page.get_by_role("link", name="Edit", exact=True).click()
    assert barriers_of(mei.page) == []

    mei.page.get_by_label("Price").fill("300")
    press(mei, "Preview")

    shown = mei.page.locator(".changes").inner_text()
    assert "HK$288.00\tHK$300.00" in shown
    assert "42 tickets in 2 batches keep their price" in shown
    assert mei.page.locator(".changes tbody tr").count() == 1
    assert stock_of(seller)["price"] == "288.00"
    assert barriers_of(mei.page) == []
    press(mei, "Save")
    assert notice(mei) == "Saved."
    assert (stock_of(seller)["price"], stock_of(seller)["currency"]) == ("300.00", "HKD")
    [event] = [
        each for each in mei.events("product.changed") if each["data"]["product_id"] == seller.product_id
    ]
    assert (event["actor"], event["data"]["price"]) == (f"staff:{mei.staff_id}", "300.00")


@pytest.mark.nightly
def test_every_field_of_a_product_says_when_it_counts(somebody: Somebody, seller: Seller) -> None:
    seller.tickets(1)
    mei = somebody("operations")
    mei.goes_to(address(seller, "/change"))

    for label, text in {
        "Name": "Night Cruise",
        "Currency": "usd",
        "Functions and uses": "dinner=1, ferry=2",
        "Last day of use": "2099-03-31",
        "Ticket type": "night",
        "Prefix": "BOAT",
    }.items():
        mei.page.get_by_label(label, exact=True).fill(text)
    mei.page.get_by_label("Cancellation of sold tickets").select_option("never")
    press(mei, "Preview")

    rows = mei.page.locator(".changes tbody tr").all_inner_texts()
    told = {each.split("\n")[0]: each for each in rows}
    assert "also for existing tickets" in told["Name"]
    assert "1 ticket in 1 batch keep their functions" in told["Functions and uses"]
    assert "none\t2099-03-31" in told["Last day of use"]
    assert "Applies at once" in told["Cancellation of sold tickets"]
    assert "In the codes of new tickets" in told["Ticket type"]
    press(mei, "Back to editing")
    mei.page.get_by_label("Prefix").fill("SHIP")
    press(mei, "Preview")
    press(mei, "Save")
    [product] = seller.http.get("/api/ota/products").json()["items"]
    assert product == {
        **product,
        "name": "Night Cruise",
        "currency": "USD",
        "ticket_type": "NIGHT",
        "code_prefix": "SHIP",
        "usable_until": "2099-03-31",
        "cancellation": "never",
        "functions": [{"function_code": "dinner", "uses": 1}, {"function_code": "ferry", "uses": 2}],
    }


@pytest.mark.nightly
def test_a_product_that_somebody_else_changed_meanwhile_is_shown_anew(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    mei = somebody("operations")
    mei.goes_to(address(seller, "/change"))
    mei.page.get_by_label("Price").fill("300")
    press(mei, "Preview")
    shop.operate(
        lambda database, runtime: change_product(
            database, runtime, seller.product_id, price=Decimal(290), name="Sunset Cruise"
        )
    )

    press(mei, "Save")

    assert "Somebody else changed the product meanwhile" in notice(mei)
    assert mei.page.locator(".changes tbody td").all_inner_texts() == ["HK$290.00", "HK$300.00"]
    assert stock_of(seller)["price"] == "290.00"
    press(mei, "Save")
    assert (stock_of(seller)["price"], stock_of(seller)["name"]) == ("300.00", "Sunset Cruise")
    mei.goes_to(address(seller, "/change"))
    press(mei, "Preview")
    assert "Nothing to save" in notice(mei)


WRONG = [
    ("price", "288.001"),
    ("price", "-1"),
    ("price", "1e999999999"),
    ("price", "sNaN"),
    ("price", "0E-20000"),
    ("price", "1_0"),
    ("currency", "XXX"),
    ("name", "a\0b"),
    ("name", "a" * 201),
    ("entitles", "ferry=" + "9" * 5000),
    ("entitles", ""),
    ("usable_days", "9" * 30),
    ("usable_until", "2026-02-30"),
    ("type", "X1"),
    ("cancellation", "sometimes"),
]


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_changed(shop: Shop, seller: Seller) -> None:
    path = address(seller, "/change")
    product = shop.operate(lambda database, _: product_of(database, seller.product_id))
    typed, form = as_typed(product), product_form(shop, seller)

    with visitor(shop, "operations") as mei:
        for field, text in WRONG:
            for step in ("preview", "save"):
                answer = mei.sends(path, **{**form, field: text, "step": step})
                wrong = [name for name in typed if f'id="{name}-wrong"' in answer.text]
                assert (answer.status_code, wrong) == (400, [field]), text
        both = mei.sends(path, **{**form, "usable_days": "3", "usable_until": "2099-01-01", "step": "save"})
        assert (both.status_code, "not both" in both.text) == (400, True)
        # The least that a form can say, and bytes that are no text.
        assert mei.sends(path).status_code == 400
        body = f"form_token={form_token(mei.token)}&step=save&name=%ED%A0%80&name=%FF&price=%00"
        assert mei.http.post(path, content=body).status_code == 400

    assert shop.operate(lambda database, _: product_of(database, seller.product_id)) == product


def test_a_product_is_added_as_it_was_shown_before(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    mei, new = somebody("operations"), int(unique("0").rpartition("-")[2])
    mei.goes_to("/console/stock")
    mei.page.get_by_role("link", name="Add a product").click()
    assert barriers_of(mei.page) == []

    for label, text in {
        "Id": f"{seller.product_id}",
        "Name": "Island Hopper",
        "Price": "99.5",
        "Currency": "HKD",
        "Functions and uses": "ferry=4",
        "Days of use after activation": "7",
        "Ticket type": "HOP",
    }.items():
        mei.page.get_by_label(label, exact=True).fill(text)
    press(mei, "Preview")
    assert "already" in mei.page.locator("#id-wrong").inner_text()
    mei.page.get_by_label("Id", exact=True).fill(str(new))
    press(mei, "Preview")
    assert f"CRUISE-{date.today().year}-HOP-" in mei.page.inner_text("main")  # noqa: DTZ011
    assert shop.sql("SELECT FROM products WHERE product_id = %s", new) == []
    assert barriers_of(mei.page) == []
    press(mei, "Add")

    assert mei.path == f"/console/stock/products/{new}?done=added"
    [event] = mei.events("product.added")
    assert event["data"]["price"] == "99.50"
    mei.page.get_by_role("link", name="Allot stock to a channel").click()
    mei.page.get_by_label("Channel").select_option(seller.channel)
    mei.page.get_by_label("Tickets in total").fill("1,200")
    press(mei, "Preview")
    assert "none\t1,200" in mei.page.locator(".changes").inner_text()
    press(mei, "Save")
    found = seller.http.get(f"/api/ota/inventory?product_ids={new}").json()["items"]
    assert [(item["available"], item["price"]) for item in found] == [(1200, "99.50")]


def new_product(shop: Shop, seller: Seller, **typed: str) -> dict[str, str]:
    """The form of one that is not there yet, like the seller's."""
    product = shop.operate(lambda database, _: product_of(database, seller.product_id))
    return {**as_typed(product), "id": unique("0").rpartition("-")[2], **typed}


def test_a_product_that_is_sent_twice_is_added_once(shop: Shop, seller: Seller) -> None:
    form = new_product(shop, seller, price="99.5", entitles="ferry=2 gift=1")

    with visitor(shop, "operations") as mei:

        def saves(**fields: str) -> httpx.Response:
            return mei.sends("/console/stock/new", **{**form, **fields, "step": "save"})

        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda _: saves(), range(4)))
        # Written in another way, it is the same product.
        answers.append(saves(price="99.50", currency="hkd"))
        others = [saves(price="99.51"), saves(entitles="gift=1 ferry=2"), saves(usable_days="7")]

    led_to = f"/console/stock/products/{form['id']}?done=added"
    assert [(answer.status_code, answer.headers.get("location")) for answer in answers] == [(303, led_to)] * 5
    assert [(other.status_code, 'id="id-wrong"' in other.text) for other in others] == [(409, True)] * 3
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'product.added' AND data->>'product_id' = %s", form["id"]
    )
    assert event["data"]["price"] == "99.50"


def test_a_product_that_nobody_could_use_any_more_is_not_added(shop: Shop, seller: Seller) -> None:
    today = datetime.now(UTC).date()

    with visitor(shop, "operations") as mei:
        for step in ("preview", "save"):
            over = new_product(shop, seller, usable_until="2001-01-01")
            answer = mei.sends("/console/stock/new", **over, step=step)
            beside = re.search(r'id="usable_until-wrong">([^<]*)<', answer.text)
            assert (answer.status_code, beside and beside[1]) == (400, "Must be today or later")
            assert shop.sql("SELECT FROM products WHERE product_id = %s", int(over["id"])) == []
        # Midnight may be between this line and the one above.
        good = new_product(shop, seller, usable_until=str(today + timedelta(days=1)))
        assert mei.sends("/console/stock/new", **good, step="save").status_code == 303


def test_a_preview_says_which_tickets_keep_what_they_have(shop: Shop, seller: Seller) -> None:
    seller.tickets(2)
    typed = {
        "name": "Night Cruise",
        "price": "300",
        "currency": "usd",
        "entitles": "dinner=1, ferry=2",
        "usable_until": "2001-01-01",
        "type": "night",
        "prefix": "BOAT",
        "cancellation": "never",
    }

    with visitor(shop, "operations") as mei:
        page = mei.sends(
            address(seller, "/change"), **product_form(shop, seller, **typed), step="preview"
        ).text

    told = {label: " ".join(values) for label, *values in rows_of(page)}
    labels = " | ".join(told)
    assert len(told) == len(typed)
    assert {"HK$288.00 US$300.00", "none 1 Jan 2001"} <= set(told.values())
    for note in (
        "also for existing tickets",
        "2 tickets in 1 batch keep their price",
        "2 tickets in 1 batch keep their functions",
        "Applies at once",
        "In the codes of new tickets",
    ):
        assert note in labels
    assert "The last day of use is past, so no more batches can be generated of this product." in page


@pytest.mark.nightly
def test_a_change_says_that_the_last_day_of_use_is_past(somebody: Somebody, seller: Seller) -> None:
    mei = somebody("operations")
    told = "The last day of use is past, so no more batches can be generated of this product."
    mei.goes_to(address(seller, "/change"))

    mei.page.get_by_label("Last day of use", exact=True).fill("2099-12-31")
    press(mei, "Preview")
    assert told not in mei.page.inner_text("main")
    press(mei, "Back to editing")
    mei.page.get_by_label("Last day of use", exact=True).fill("2001-01-01")
    press(mei, "Preview")

    assert notice(mei) == told
    assert barriers_of(mei.page) == []
    press(mei, "Save")
    assert seller.generate(1).json()["code"] == "PRODUCT_OVER"


@pytest.mark.nightly
def test_an_allotment_is_changed_as_it_was_shown_before(somebody: Somebody, seller: Seller) -> None:
    seller.tickets(30)
    seller.hold(20)
    mei = somebody("operations")
    mei.goes_to(address(seller))
    assert barriers_of(mei.page) == []
    mei.page.get_by_role("link", name=f"Edit the allotment of {seller.channel}").click()
    assert barriers_of(mei.page) == []

    mei.page.get_by_label("Tickets in total").fill("49")
    press(mei, "Preview")
    assert "30 tickets are issued and 20 are held, so the total must be 50 or more" in mei.page.inner_text(
        "main"
    )
    mei.page.get_by_label("Tickets in total").fill("800")
    press(mei, "Preview")
    shown = mei.page.locator(".changes").inner_text()
    assert "1,000\t800" in shown
    assert "950\t750" in shown
    assert barriers_of(mei.page) == []
    seller.tickets(1)
    press(mei, "Save")

    assert (stock_of(seller)["allotted"], stock_of(seller)["available"]) == (800, 749)
    [event] = mei.events("allotment.set")
    assert (event["data"]["channel"], event["data"]["allotted"]) == (seller.channel, 800)


@pytest.mark.nightly
def test_an_allotment_that_somebody_else_set_meanwhile_is_shown_anew(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    mei = somebody("operations")
    mei.goes_to(address(seller, f"/allotment?channel={seller.channel}"))
    mei.page.get_by_label("Tickets in total").fill("800")
    press(mei, "Preview")
    shop.operate(
        lambda database, runtime: set_allotment(database, runtime, seller.product_id, seller.channel, 500)
    )

    press(mei, "Save")

    assert "Somebody else set the allotment meanwhile" in notice(mei)
    assert "500\t800" in mei.page.locator(".changes").inner_text()
    assert stock_of(seller)["allotted"] == 500
    press(mei, "Save")
    assert stock_of(seller)["allotted"] == 800


def test_a_preview_of_an_allotment_is_saved_unless_somebody_else_set_it(shop: Shop, seller: Seller) -> None:
    seller.tickets(30)
    seller.hold(20)
    path, form = address(seller, "/allotment"), {"channel": seller.channel, "version": "1000"}

    with visitor(shop, "operations") as mei:
        too_few = mei.sends(path, **form, quantity="49", step="preview")
        told = "30 tickets are issued and 20 are held, so the total must be 50 or more"
        assert (too_few.status_code, told in text_of(too_few.text)) == (409, True)
        preview = mei.sends(path, **form, quantity="800", step="preview")
        assert [row[1:] for row in rows_of(preview.text)] == [["1,000", "800"], ["950", "750"]]
        shop.operate(
            lambda database, runtime: set_allotment(database, runtime, seller.product_id, seller.channel, 500)
        )
        stale = mei.sends(path, **form, quantity="800", step="save")
        assert (stale.status_code, "Somebody else set the allotment meanwhile" in stale.text) == (409, True)
        assert rows_of(stale.text)[0][1:] == ["500", "800"]
        assert stock_of(seller)["allotted"] == 500
        seen = {**form, "version": "500"}
        assert mei.sends(path, **seen, quantity="800", step="save").status_code == 303
        [event] = mei.events("allotment.set")

    assert (stock_of(seller)["allotted"], stock_of(seller)["available"]) == (800, 750)
    assert (event["data"]["channel"], event["data"]["allotted"]) == (seller.channel, 800)


def test_an_allotment_that_is_sent_twice_is_set_once(shop: Shop, seller: Seller) -> None:
    path, new = address(seller, "/allotment"), shop.product(seller.channel, 0)
    shop.sql("DELETE FROM allotments WHERE product_id = %s", new)
    first = {"channel": seller.channel, "step": "save", "version": "", "quantity": "50"}

    with visitor(shop, "operations") as mei, ThreadPoolExecutor() as pool:

        def sent(path: str, **form: str) -> list[tuple[int, str | None]]:
            answers = pool.map(lambda _: mei.sends(path, **form), range(4))
            return [(answer.status_code, answer.headers.get("location")) for answer in answers]

        changed = sent(path, **{**first, "version": "1000"})
        given = sent(f"/console/stock/products/{new}/allotment", **first)
        again = mei.sends(path, **{**first, "step": "preview"})

    assert changed == [(303, address(seller, "?done=allotment"))] * 4
    assert given == [(303, f"/console/stock/products/{new}?done=allotment")] * 4
    assert (again.status_code, "The allotment is already 50" in again.text) == (400, True)
    events = shop.sql(
        "SELECT data->>'product_id' AS product_id FROM audit_events WHERE event = 'allotment.set'"
        " AND data->>'allotted' = '50' AND data->>'channel' = %s",
        seller.channel,
    )
    assert {event["product_id"] for event in events} == {str(seller.product_id), str(new)}
    assert len(events) == 2


def test_an_allotment_refuses_what_cannot_be_meant(shop: Shop, seller: Seller) -> None:
    seller.tickets(5)
    path = address(seller, "/allotment")
    form = {"channel": seller.channel, "step": "save", "version": "1000"}

    with visitor(shop, "operations") as mei:

        def answered(**fields: str) -> tuple[int, bool]:
            answer = mei.sends(path, **{**form, **fields})
            return answer.status_code, "quantity-wrong" in answer.text

        refused = [
            answered(quantity=text) for text in ("", "-1", "1.5", "1,5", "2147483648", "9" * 5000, "\0")
        ]
        assert refused == [(400, True)] * 7
        assert answered(quantity="4") == (409, True)
        for seen in ("9" * 18, ""):
            assert answered(quantity="700", version=seen) == (409, False)
        assert answered(quantity="7", version="x") == (400, False)
        assert answered(quantity="7", channel="\0") == (400, False)

    assert stock_of(seller)["allotted"] == 1000


@pytest.mark.nightly
def test_operations_release_what_a_partner_holds(somebody: Somebody, seller: Seller) -> None:
    reservation = seller.hold(20)
    seller.tickets(5, reservation_id=reservation)
    mei = somebody("operations")
    mei.goes_to(address(seller))
    row = mei.page.get_by_role("row").filter(has_text=reservation).inner_text()
    assert seller.name in row
    assert "15" in row

    mei.page.get_by_role("link", name=f"Release {reservation}").click()
    assert "15 tickets" in mei.page.locator(".changes").inner_text()
    assert barriers_of(mei.page) == []
    press(mei, "Release")

    assert "Released" in notice(mei)
    assert seller.http.get(f"/api/ota/reservations/{reservation}").json()["status"] == "RELEASED"
    assert (stock_of(seller)["held"], stock_of(seller)["available"]) == (0, 995)
    [event] = mei.events("reservation.released")
    assert (event["partner_id"], event["data"]["held"]) == (seller.partner_id, 15)
    assert mei.goes_to(f"/console/stock/reservations/{reservation}/release") == 404


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.nightly(but_first=True)
def test_stock_is_for_those_whose_role_has_it(shop: Shop, seller: Seller, role: Role) -> None:
    reservation = seller.hold(1)
    may_see, may_change = role is not Role.GATE, role in {Role.ADMIN, Role.OPERATIONS}
    seen = ["/console/stock", address(seller)]
    changing = ["/console/stock/new", address(seller, "/change"), address(seller, "/allotment")]
    changing.append(f"/console/stock/reservations/{reservation}/release")

    with visitor(shop, role) as who:
        served = {path: who.status(path) for path in [*seen, *changing]}
        linked = 'href="/console/stock"' in who.page("/console/account")
        listed = who.page(seen[0]) if may_see else ""
        shown = who.page(seen[1]) if may_see else ""
        fields = {"step": "save", "channel": seller.channel, "quantity": "1", "version": "1000"}
        written = {} if may_change else {path: who.sends(path, **fields).status_code for path in changing}

    assert served == dict.fromkeys(seen, 200 if may_see else 403) | dict.fromkeys(
        changing, 200 if may_change else 403
    )
    assert written == ({} if may_change else dict.fromkeys(changing, 403))
    assert linked == may_see
    links = [path for path in changing if f'href="{path}"' in listed + shown]
    assert links == (changing if may_change else [])
    assert (stock_of(seller)["allotted"], stock_of(seller)["held"]) == (1000, 1)


def test_stock_comes_in_pages(shop: Shop) -> None:
    name, channel = unique("Many"), shop.seller().channel
    ids = sorted(shop.product(channel, 1, name=name) for _ in range(22))

    with visitor(shop, "finance") as finance:
        first = finance.page(f"/console/stock?find={name.lower()}")
        [following] = re.findall(r'href="([^"]*)" rel="next"', first)
        second = finance.page(unescape(following))
        nothing = finance.page("/console/stock?find=nothing%20is%20like%20this%00%FF")
        assert finance.status("/console/stock?cursor=nonsense") == 400

    found = re.findall(r"/console/stock/products/(\d+)", first), re.findall(r"/products/(\d+)", second)
    assert found == ([str(each) for each in ids[:20]], [str(each) for each in ids[20:]])
    assert "No product found" in nothing


def test_addresses_of_no_product_are_not_found(shop: Shop) -> None:
    with visitor(shop, "operations") as mei:
        for given in ("0", "9" * 19, "9" * 400, "x", "%00", "-1", "٣"):
            for more in ("", "/change", "/allotment"):
                assert mei.status(f"/console/stock/products/{given}{more}") == 404
        assert mei.status("/console/stock/reservations/%00/release") == 404


@pytest.mark.nightly
def test_a_price_is_changed_by_keyboard_alone(somebody: Somebody, seller: Seller) -> None:
    mei = somebody("operations")
    mei.goes_to(address(seller, "/change"))
    keyboard = mei.page.keyboard

    mei.page.get_by_label("Price").focus()
    keyboard.press("Control+A")
    keyboard.type("310")
    keyboard.press("Enter")
    mei.page.wait_for_selector(".changes")
    for _ in range(20):
        keyboard.press("Tab")
        if mei.page.evaluate("document.activeElement.textContent") == "Save":
            break
    keyboard.press("Enter")
    mei.page.wait_for_url("**done=changed")

    assert stock_of(seller)["price"] == "310.00"
