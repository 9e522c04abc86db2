"""Amounts in the decimals of their currency: what the database keeps, and what each answer, file and command says."""

import csv
import io
import json
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
from iso4217 import Currency
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.http.fields import AnswerModel

PRICES = {
    "JPY": ("288", "576", "0"),
    "KRW": ("12000", "24000", "0"),
    "HKD": ("288.00", "576.00", "0.00"),
    "EUR": ("12.05", "24.10", "0.00"),
    "KWD": ("1.234", "2.468", "0.000"),
    "BHD": ("1.500", "3.000", "0.000"),
    "CLF": ("0.1234", "0.2468", "0.0000"),
    "UYW": ("7.0000", "14.0000", "0.0000"),
}
"""The price of one ticket, of two, and a free one, as they are written."""
TOO_FINE = {
    "JPY": ("288.50", "JPY has no decimals: 288 or 289"),
    "XPF": ("0.1", "XPF has no decimals: 0 or 1"),
    "HKD": ("288.001", "HKD has 2 decimals: 288.00 or 288.01"),
    "KWD": ("1.2345", "KWD has 3 decimals: 1.234 or 1.235"),
    "CLF": ("0.12345", "CLF has 4 decimals: 0.1234 or 0.1235"),
}
of_each_currency = pytest.mark.parametrize(("currency", "written"), PRICES.items(), ids=PRICES)


@pytest.fixture
def operator(shop: Shop) -> Operator:
    return Operator(shop.dsn)


@of_each_currency
def test_every_answer_of_the_api_has_the_decimals_of_the_currency(
    shop: Shop, currency: str, written: tuple[str, str, str]
) -> None:
    one, two, _ = written
    seller = shop.seller(price=Decimal(one), currency=currency)
    get = seller.http.get

    would_be = seller.generate(2, dry_run=True).json()
    made = seller.generate(5).json()
    codes = [ticket["ticket_code"] for ticket in made["tickets"]]
    sold = seller.activate(codes[0]).json()
    answers = {
        "price": [
            would_be, made,
            get(f"/api/ota/inventory?product_ids={seller.product_id}").json()["items"][0],
            get("/api/ota/products").json()["items"][0],
            get("/api/ota/batches").json()["items"][0],
            get(f"/api/ota/batches/{made['batch_id']}").json(),
            get(f"/api/ota/tickets/{codes[0]}").json(),
            get("/api/ota/tickets").json()["items"][0],
        ],
        "one": [sold, get(f"/api/ota/orders/{sold['order_id']}").json(), get("/api/ota/orders").json()["items"][0]],
        "two": [would_be, seller.draw(made["batch_id"], 2).json(), seller.order(codes[3:]).json()],
    }  # fmt: skip

    assert [answer["price"] for answer in answers["price"]] == [one] * len(answers["price"])
    assert [answer["total_amount"] for answer in answers["one"]] == [one] * 3
    assert [answer["total_amount"] for answer in answers["two"]] == [two] * 3
    assert {answer["currency"] for kind in answers.values() for answer in kind} == {currency}


@of_each_currency
def test_the_database_keeps_an_amount_with_the_decimals_of_its_currency(
    shop: Shop, currency: str, written: tuple[str, str, str]
) -> None:
    one, two, _ = written
    seller = shop.seller(price=Decimal(one).normalize(), currency=currency)
    seller.order(seller.tickets(2))

    [kept] = shop.sql(
        "SELECT p.price::text AS product, b.price::text AS batch, min(t.price::text) AS ticket,"
        " min(o.total_amount::text) AS total FROM products p JOIN batches b USING (product_id)"
        " JOIN pre_generated_tickets t ON t.product_id = p.product_id"
        " JOIN ota_orders o ON o.order_id = t.order_id WHERE p.product_id = %s GROUP BY p.price, b.price",
        seller.product_id,
    )
    assert kept == {"product": one, "batch": one, "ticket": one, "total": two}


@pytest.mark.nightly(but_first=True)
@of_each_currency
def test_commands_take_and_show_the_decimals_of_the_currency(
    shop: Shop, operator: Operator, currency: str, written: tuple[str, str, str]
) -> None:
    one, _, free = written
    number = unique("0").rpartition("-")[2]
    added = operator.does(*adding(number, one, currency))
    listed = {str(row["product_id"]): row for row in operator.does("product", "list")}
    freed = operator.does("product", "set", number, "--price", "0")

    assert (added["price"], listed[number]["price"], freed["price"]) == (one, one, free)
    assert f"\nprice         {free}\n" in operator.shows("product", "set", number, "--price", "0")
    events = shop.sql(
        "SELECT data->>'price' AS price FROM audit_events WHERE data->>'product_id' = %s ORDER BY event_id",
        number,
    )
    assert [event["price"] for event in events] == [one, free, free]


def adding(number: str, price: str, currency: str) -> list[str]:
    return [
        "product", "add", "--id", number, "--name", "Ferry", "--type", "FERRY", "--price", price, "--currency", currency,
        "--entitles", "ferry=2",
    ]  # fmt: skip


def test_a_command_shows_a_whole_price_with_decimals(operator: Operator) -> None:
    number = unique("0").rpartition("-")[2]
    assert operator.does(*adding(number, "1", "HKD"))["price"] == "1.00"
    assert operator.does("product", "set", number, "--currency", "KWD")["price"] == "1.000"
    assert operator.does("product", "set", number, "--currency", "JPY")["price"] == "1"


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(("currency", "price"), TOO_FINE.items(), ids=TOO_FINE)
def test_a_command_refuses_more_decimals_than_the_currency_has(
    shop: Shop, operator: Operator, currency: str, price: tuple[str, str]
) -> None:
    amount, told = price
    number = unique("0").rpartition("-")[2]

    assert operator.is_refused(*adding(number, amount, currency)) == f"premade: price: {told}\n"
    assert shop.sql("SELECT FROM products WHERE product_id = %s", int(number)) == []

    operator.does(*adding(number, "7", currency))
    assert operator.is_refused("product", "set", number, "--price", amount) == f"premade: price: {told}\n"
    assert Decimal(operator.does("product", "set", number, "--name", "Ferry")["price"]) == 7


def test_a_currency_that_the_price_does_not_fit_is_refused(shop: Shop, operator: Operator) -> None:
    seller = shop.seller(price=Decimal("288.50"))
    number = str(seller.product_id)

    told = operator.is_refused("product", "set", number, "--currency", "JPY")

    assert told == "premade: price: JPY has no decimals: 288 or 289\n"
    assert operator.does("product", "set", number, "--currency", "JPY", "--price", "289")["price"] == "289"


@pytest.mark.parametrize("currency", ["XXX", "XAU", "HKX", "DEM", "hkd"])
def test_a_command_refuses_what_is_no_currency(operator: Operator, currency: str) -> None:
    told = operator.is_refused(*adding("1", "288.50", currency))
    assert told == "premade: currency: Must be an ISO 4217 code, such as HKD\n"


@of_each_currency
def test_files_have_the_decimals_of_the_currency(
    shop: Shop, operator: Operator, tmp_path: Path, currency: str, written: tuple[str, str, str]
) -> None:
    one, _, _ = written
    seller = shop.seller(price=Decimal(one), currency=currency)
    batch_id = seller.generate(1).json()["batch_id"]
    book = tmp_path / "out.xlsx"
    operator.does("export", batch_id, "--partner", seller.name, "--format", "xlsx", "-o", str(book))

    [row] = csv.DictReader(io.StringIO(seller.http.get(f"/api/ota/batches/{batch_id}/tickets.csv").text))
    line = json.loads(seller.http.get(f"/api/ota/batches/{batch_id}/tickets.jsonl").text)
    [sheet] = openpyxl.load_workbook(book).worksheets
    column = [cell.value for cell in sheet[1]].index("price") + 1
    cell = sheet.cell(2, column)

    decimals = len(one.partition(".")[2])
    assert (row["price"], line["price"]) == (one, one)
    assert (Decimal(str(cell.value)), cell.number_format) == (Decimal(one), f"{0:.{decimals}f}")


def test_amounts_that_were_written_past_the_product_s_code_are_answered_with_all_decimals(shop: Shop) -> None:
    seller = shop.seller()
    shop.sql("UPDATE products SET price = 1 WHERE product_id = %s", seller.product_id)

    made = seller.generate(2).json()
    sold = seller.draw(made["batch_id"], 2).json()

    assert (made["price"], sold["total_amount"]) == ("1.00", "2.00")


AMOUNTS = ("0", "1", "288", "0.1", "288.50", "288.00", "0.01", "0.001", "1.234", "1.230", "0.0001", "0.00001", "1e15",
           "NaN", "Infinity")  # fmt: skip


def test_the_database_has_the_currencies_of_the_package(shop: Shop) -> None:
    """A new version of the list needs a migration; until then nothing is allowed by one that the other refuses."""
    codes = [a + b + c for a in LETTERS for b in LETTERS for c in LETTERS]
    rows = shop.sql(
        "SELECT code, (SELECT max(n) FROM generate_series(0, 9) n WHERE fits_currency(10::numeric ^ -n, code)) AS decimals"
        " FROM unnest(%s::text[]) AS code WHERE fits_currency(1, code)",
        codes,
    )
    known = {each.code: each.exponent for each in Currency if each.exponent is not None}
    assert {row["code"]: row["decimals"] for row in rows} == known


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("currency", ["JPY", "HKD", "KWD", "CLF", "XXX", "HKX", "hkd", ""])
def test_no_table_takes_an_amount_that_does_not_fit_its_currency(
    seller: Seller, shop: Shop, currency: str
) -> None:
    decimals = {each.code: each.exponent for each in Currency}.get(currency)
    [code] = seller.tickets()

    for amount in map(Decimal, AMOUNTS):
        fits = decimals is not None and amount.is_finite() and amount == round(amount, decimals)
        for query, rules in WRITES.items():
            broken = broken_rule(shop.dsn, query, {"amount": amount, "currency": currency, "code": code})
            may_be = fits and (len(rules) == 1 or amount < 10**10)
            assert (broken is None) == may_be, (amount, query)
            assert broken in {None, *rules}


def broken_rule(dsn: str, query: str, values: dict[str, Any]) -> str | None:
    """Run the statement, undo it, and return the name of the constraint that refused it."""
    with psycopg.connect(dsn) as connection, connection.transaction(force_rollback=True):
        try:
            connection.execute(query.encode(), values)
        except psycopg.errors.CheckViolation as refused:
            return refused.diag.constraint_name
    return None


WRITES = {
    "UPDATE products SET price = %(amount)s, currency = %(currency)s FROM pre_generated_tickets t"
    " WHERE t.ticket_code = %(code)s AND products.product_id = t.product_id":
        ("product_price_fits_its_currency", "product_price_within_limit", "product_currency_is_iso_4217"),
    "UPDATE batches b SET price = %(amount)s, currency = %(currency)s FROM pre_generated_tickets t"
    " WHERE t.ticket_code = %(code)s AND (b.partner_id, b.batch_id) = (t.partner_id, t.batch_id)":
        ("batch_price_fits_its_currency",),
    "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price,"
    " currency, created_at) SELECT 'MONEY-2025-FERRY-0000000000001', partner_id, product_id, batch_id, qr_code,"
    " entitlements, %(amount)s, %(currency)s, created_at FROM pre_generated_tickets WHERE ticket_code = %(code)s":
        ("ticket_price_fits_its_currency",),
    "INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference,"
    " total_amount, currency, operation, request_digest, created_at, ticket_codes) SELECT 'ORD-0000000000001', partner_id,"
    " 'A', 'a@example.com', '+1234567890', 'P', %(amount)s, %(currency)s, 'activate', '', now(), ARRAY[ticket_code]"
    " FROM pre_generated_tickets WHERE ticket_code = %(code)s": ("order_amount_fits_its_currency",),
}  # fmt: skip


def test_no_answer_has_an_amount_without_its_currency() -> None:
    # All answers are known then.
    import_module("premade.app")

    def below(model: type[AnswerModel]) -> Any:
        for each in model.__subclasses__():
            yield each
            yield from below(each)

    models = list(below(AnswerModel))
    priced = [
        model for model in models if any(field.annotation is Decimal for field in model.model_fields.values())
    ]
    assert len(priced) > 5
    for model in priced:
        amounts = {name for name, field in model.model_fields.items() if field.annotation is Decimal}
        assert amounts <= {"price", "total_amount"}, model
        assert "currency" in model.model_fields, model
