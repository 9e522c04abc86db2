"""Amounts on the pages of the console have the decimals of their currency."""

import re
from decimal import Decimal
from html import unescape

import pytest
from browser.visitors import product_form, visitor
from support.shop import Seller, Shop, unique

from premade.console.batches.shown_batch import address_of

SHOWN = {
    "JPY": ("1288", "JP¥1,288", "JP¥2,576"),
    "HKD": ("1288.5", "HK$1,288.50", "HK$2,577.00"),
    "KWD": ("1.234", "KWD\N{NO-BREAK SPACE}1.234", "KWD\N{NO-BREAK SPACE}2.468"),
    "CLF": ("0.5", "CLF\N{NO-BREAK SPACE}0.5000", "CLF\N{NO-BREAK SPACE}1.0000"),
}
"""A price, and how one ticket and two are shown."""
of_each_currency = pytest.mark.parametrize(("currency", "shown"), SHOWN.items(), ids=SHOWN)
SYMBOLS = {"JPY": "JP¥", "HKD": "HK$", "KWD": "KWD\N{NO-BREAK SPACE}", "CLF": "CLF\N{NO-BREAK SPACE}"}


def figure(shown: str, currency: str) -> str:
    """The figures of an amount on a page, as a field of a form has them."""
    return shown.removeprefix(SYMBOLS[currency]).replace(",", "")


@of_each_currency
def test_every_page_shows_the_decimals_of_the_currency(
    shop: Shop, currency: str, shown: tuple[str, str, str]
) -> None:
    price, one, two = shown
    seller = shop.seller(price=Decimal(price), currency=currency)
    product = f"/console/stock/products/{seller.product_id}"
    made = seller.generate(3).json()
    codes = [ticket["ticket_code"] for ticket in made["tickets"]]
    sold = seller.order(codes[:2]).json()
    pages = {
        product: {one},
        f"/console/stock?find={seller.product_id}": {one},
        address_of(seller.partner_id, made["batch_id"]): {one},
        f"/console/batches/new?partner={seller.partner_id}": {one},
        f"/console/tickets/{codes[0]}": {one},
        f"/console/orders/{sold['order_id']}": {one, two},
        f"/console?partner={seller.partner_id}": {two},
    }

    with visitor(shop, "admin") as ann:
        for path, amounts in pages.items():
            answer = ann.http.get(path)
            assert answer.status_code == 200, path
            found = set(re.findall(rf"{re.escape(SYMBOLS[currency])}[0-9](?:[0-9.,]*[0-9])?", answer.text))
            assert amounts <= found, path
            # A day without sales, and the scale of a chart, are 0 of the currency.
            figures = {figure(each, currency) for each in found}
            assert {Decimal(each) for each in figures} <= {
                Decimal(figure(each, currency)) for each in (one, two)
            } | {0}
            assert len({len(each.partition(".")[2]) for each in {*figures, figure(one, currency)}}) == 1, path

        wanted = {"partner": str(seller.partner_id), "product": str(seller.product_id), "quantity": "2",
                  "batch": unique("B"), "valid_until": "", "reservation": "", "metadata": ""}  # fmt: skip
        checked = ann.sends("/console/batches/new", **wanted, step="preview").text
        told = re.search(r'name="version" value="([^"]*)"', checked)
        assert one in checked
        assert two in checked
        assert told
        begun = ann.sends("/console/batches/new", **wanted, step="save", version=told[1])
        assert begun.status_code == 303


@of_each_currency
def test_the_form_says_how_many_decimals_the_currency_has(
    shop: Shop, currency: str, shown: tuple[str, str, str]
) -> None:
    seller = shop.seller(price=Decimal(shown[0]), currency=currency)
    told = {"JPY": "Such as 288: JPY has no decimals.", "HKD": "Such as 288.00: HKD has 2 decimals.",
            "KWD": "Such as 288.000: KWD has 3 decimals.", "CLF": "Such as 288.0000: CLF has 4 decimals."}  # fmt: skip

    with visitor(shop, "operations") as mei:
        change = mei.http.get(f"/console/stock/products/{seller.product_id}/change").text
        new = mei.http.get("/console/stock/new").text

    assert hint(change) == told[currency]
    assert hint(new) == "With the decimals of its currency: 288.00 HKD, 288 JPY or 1.234 KWD."
    [field] = re.findall(r'<input id="price"[^>]*>', change)
    # Also in JPY: the currency may be changed in the same form.
    assert 'inputmode="decimal"' in field
    assert f'value="{figure(shown[1], currency)}"' in field


def hint(page: str) -> str:
    [told] = re.findall(r'id="price-hint">([^<]*)<', page)
    return unescape(told)


@pytest.mark.parametrize(
    ("currency", "price", "told"),
    [
        ("JPY", "288.50", "JPY has no decimals: 288 or 289"),
        ("jpy", "0.5", "JPY has no decimals: 0 or 1"),
        ("HKD", "288.001", "HKD has 2 decimals: 288.00 or 288.01"),
        ("KWD", "1.2345", "KWD has 3 decimals: 1.234 or 1.235"),
        ("CLF", "0.12345", "CLF has 4 decimals: 0.1234 or 0.1235"),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused_beside_the_price(
    shop: Shop, seller: Seller, currency: str, price: str, told: str
) -> None:
    change = product_form(shop, seller, currency=currency, price=price)
    new = {**change, "id": unique("0").rpartition("-")[2]}

    with visitor(shop, "operations") as mei:
        for path, form in (
            (f"/console/stock/products/{seller.product_id}/change", change),
            ("/console/stock/new", new),
        ):
            for step in ("preview", "save"):
                answer = mei.sends(path, **form, step=step)
                assert answer.status_code == 400
                assert re.findall(r'id="(\w+)-wrong">([^<]*)<', answer.text) == [("price", told)]

    assert seller.http.get("/api/ota/products").json()["items"][0]["price"] == "288.00"
    assert shop.sql("SELECT FROM products WHERE product_id = %s", int(new["id"])) == []


def test_a_currency_alone_is_changed_if_the_price_fits_it(shop: Shop) -> None:
    whole, broken = shop.seller(), shop.seller(price=Decimal("288.50"))

    with visitor(shop, "operations") as mei:
        for seller, status in ((whole, 200), (broken, 400)):
            path = f"/console/stock/products/{seller.product_id}/change"
            answer = mei.sends(path, **product_form(shop, seller, currency="JPY"), step="preview")
            assert answer.status_code == status
        assert "JPY has no decimals: 288 or 289" in answer.text


def test_the_overview_adds_each_currency_by_itself(shop: Shop) -> None:
    yen = shop.seller(price=Decimal(100), currency="JPY")
    dinar = shop.product(yen.channel, 10, price=Decimal("1.005"), currency="KWD")
    for product_id in (yen.product_id, dinar):
        for code in yen.tickets(2, product_id=product_id):
            assert yen.activate(code).status_code == 200

    with visitor(shop, "finance") as ann:
        page = ann.http.get(f"/console?partner={yen.partner_id}").text

    assert "JP¥200 and KWD\N{NO-BREAK SPACE}2.010" in page
