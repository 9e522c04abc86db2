"""Batches as operations makes them, takes them out, stops and cancels them."""

import csv
import io
import re
import zipfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import psycopg
import pypdfium2
import pytest
from browser.conftest import Person, Somebody
from browser.visitors import rows_of, visitor
from support.large import assert_all_agrees, begun, seen_at_once
from support.shop import Seller, Shop, unique
from support.taking_back import assert_books_balance, cancel

from premade.catalog.product import PRODUCT_ID_MAX

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def page_of(seller: Seller, batch_id: str, page: str = "") -> str:
    return f"/console/batch{page}?partner={seller.partner_id}&batch={batch_id}"


def fills_in(person: Person, seller: Seller, quantity: int, batch_id: str, **more: str) -> None:
    person.goes_to(f"/console/batches/new?partner={seller.partner_id}")
    page = person.page
    page.get_by_label("Product").select_option(str(seller.product_id))
    page.get_by_label("Number of tickets").fill(f"{quantity:,}")
    page.get_by_label("Batch id").fill(batch_id)
    for label, value in more.items():
        page.get_by_label(label.replace("_", " ")).fill(value)
    page.get_by_role("button", name="Preview").click()


@pytest.fixture
def large_seller(shop: Shop) -> Seller:
    return shop.seller(stock=12_000)


@contextmanager
def held_half_made(shop: Shop, seller: Seller, batch: str, quantity: int) -> Generator[int]:
    """Lets the making begin and then wait; answers how many tickets are made."""
    with psycopg.connect(shop.dsn) as holder:
        while True:
            row = holder.execute(
                "SELECT to_make FROM batches WHERE partner_id = %s AND batch_id = %s FOR UPDATE",
                [seller.partner_id, batch],
            ).fetchone()
            assert row
            assert row[0] > 0, "it is made already"
            if row[0] < quantity:
                break
            holder.rollback()
        yield quantity - row[0]


def test_a_batch_is_checked_then_made_while_its_bar_grows(
    somebody: Somebody, shop: Shop, large_seller: Seller
) -> None:
    mei, batch = somebody("operations"), unique("SUMMER")
    mei.goes_to("/console/batches")
    mei.page.get_by_role("link", name="Generate a batch").click()
    mei.page.get_by_label("Partner", exact=True).select_option(str(large_seller.partner_id))
    mei.page.get_by_role("button", name="Continue").click()
    more = {"Last_day_of_sale": "2099-03-31", "Metadata": "campaign: spring\n\nreseller : Île 黃: one"}

    fills_in(mei, large_seller, 9_000, batch, **more)

    shown = mei.page.inner_text("main")
    for told in (
        batch,
        large_seller.name,
        "9,000",
        "HK$288.00",
        "HK$2,592,000.00",
        "3,000",
        "31 Mar 2099",
    ):
        assert told in shown
    assert seen_at_once(shop, large_seller)["issued"] == 0
    mei.page.get_by_role("button", name="Generate 9,000 tickets").click()
    assert mei.path.startswith(page_of(large_seller, batch))
    assert mei.page.get_by_role("progressbar", name="Tickets generated").is_visible()
    assert seen_at_once(shop, large_seller)["issued"] == 9_000
    with held_half_made(shop, large_seller, batch, 9_000) as made:
        mei.page.get_by_text(re.compile(r"^[1-9][0-9,]* of 9,000$")).first.wait_for()
        assert 0 < mei.page.evaluate("document.querySelector('progress').value") == made
    mei.page.get_by_role("link", name="All 9,000").wait_for()
    assert mei.page.get_by_role("status").inner_text() == "All tickets of the batch are generated."

    told = large_seller.http.get(f"/api/ota/batches/{batch}").json()
    assert (told["status"], told["made"]) == ("MADE", 9_000)
    assert told["metadata"] == {"campaign": "spring", "reseller": "Île 黃: one"}
    assert assert_all_agrees(shop, large_seller)["tickets"] == 9_000
    rows = shop.sql(
        "SELECT event, actor FROM audit_events WHERE partner_id = %s AND batch_id = %s ORDER BY event_id",
        large_seller.partner_id, batch,
    )  # fmt: skip
    me = f"staff:{mei.staff_id}"
    assert [tuple(row.values()) for row in rows] == [
        ("batch.generation_begun", me), ("batch.generated", me),
    ]  # fmt: skip


def test_a_form_that_is_sent_twice_makes_one_batch(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    mei, batch = somebody("operations"), unique("TWICE")
    fills_in(mei, seller, 20, batch)
    form = mei.page.locator("main form").evaluate("form => Object.fromEntries(new FormData(form))")

    with mei.as_client() as client, ThreadPoolExecutor() as pool:
        answers = list(
            pool.map(
                lambda _: client.post(
                    "/console/batches/new", data={**form, "step": "save"}, headers=SAME_SITE
                ),
                range(6),
            )
        )

    assert [answer.status_code for answer in answers] == [303] * 6
    assert seen_at_once(shop, seller)["issued"] == 20


@pytest.mark.nightly
def test_a_price_that_changed_meanwhile_is_shown_before_anything_is_made(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    mei, batch = somebody("operations"), unique("PRICE")
    fills_in(mei, seller, 20, batch)
    shop.sql("UPDATE products SET price = 300 WHERE product_id = %s", seller.product_id)

    mei.page.get_by_role("button", name="Generate 20 tickets").click()

    assert "The price changed meanwhile" in mei.page.get_by_role("alert").inner_text()
    assert "HK$6,000.00" in mei.page.inner_text("main")
    assert seen_at_once(shop, seller)["issued"] == 0
    mei.page.get_by_role("button", name="Generate 20 tickets").click()
    assert mei.path.startswith("/console/batch?")


WRONG = (
    ("quantity", "0", "Must be 1 to 100000"),
    ("quantity", "100001", "Must be 1 to 100000"),
    ("quantity", "9" * 40, "Must be a whole number, such as 1000"),
    ("quantity", "abc", "Must be a whole number, such as 1000"),
    ("quantity", "", "Must be a whole number, such as 1000"),
    ("quantity", "1.5", "Must be a whole number, such as 1000"),
    ("quantity", "1,5", "Must be a whole number, such as 1000"),
    ("quantity", "1001", "1000 are available"),
    ("batch", "no id", "Must be 1 to 64"),
    ("batch", "TAKEN", "The partner has a batch TAKEN already"),
    ("batch", "A\0B", "Must be 1 to 64"),
    ("valid_until", "soon", "is not a day"),
    ("valid_until", "2001-01-01", "or later"),
    ("reservation", "R", "Must be a reservation"),
    ("reservation", "RSV-1762274285982", "There is no reservation RSV-1762274285982."),
    ("product", "x", "Choose a product"),
    ("product", "1", "There is no product 1"),
    ("metadata", "spring", "Must be lines of the form"),
    ("metadata", "a: 1\na: 2", "is repeated"),
    ("metadata", "a: b\0c", "Must not contain NULL (U+0000)"),
    ("metadata", "a: " + "x" * 5000, "at most 4096"),
)


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_made(shop: Shop, seller: Seller) -> None:
    seller.tickets(1, batch_id="TAKEN")
    shop.sql("UPDATE allotments SET allotted = 1001 WHERE product_id = %s", seller.product_id)
    form = new_batch(seller, 10, version="288.00 HKD")

    with visitor(shop, "operations") as mei:
        for field, value, told in WRONG:
            for step in ("", "save"):
                answer = mei.sends("/console/batches/new", **{**form, field: value, "step": step})
                assert answer.status_code in {400, 409}, (field, value)
                beside = re.search(rf'id="{field}-wrong">([^<]*)<', answer.text)
                assert beside, (field, value)
                assert told in beside[1].replace("&#39;", "'")
        nobody = mei.sends("/console/batches/new", **{**form, "partner": "9" * 18})

    assert nobody.status_code == 400
    assert seen_at_once(shop, seller)["issued"] == 1


def test_a_quantity_that_cannot_be_read_hides_nothing_else_that_is_wrong(shop: Shop, seller: Seller) -> None:
    with visitor(shop, "operations") as mei:
        answer = mei.sends(
            "/console/batches/new", partner=str(seller.partner_id), product="x", quantity="few", batch="no id"
        )

    assert re.findall(r'id="(\w+)-wrong"', answer.text) == ["product", "quantity", "batch"]


def test_an_address_with_a_filter_that_there_is_not_is_refused(shop: Shop, seller: Seller) -> None:
    seller.tickets(1, batch_id="FILTERED")
    batch = page_of(seller, "FILTERED")
    form = f"/console/batches/new?partner={seller.partner_id}"
    refused = {
        f"{batch}&state=BOGUS": "state: Must be one of PRE_GENERATED, ACTIVE",
        f"{batch}&state=active": "state: Must be one of PRE_GENERATED, ACTIVE",
        "/console/batches?status=BOGUS": "status: Must be one of MAKING, MADE, STOPPED",
        "/console/batches/new?partner=abc": "partner: Must be the number of a partner",
        f"/console/batches/new?partner={'9' * 18}": "partner: Must be the number of a partner",
    }
    served = [
        batch, f"{batch}&state=", f"{batch}&state=ACTIVE", "/console/batches?status=&partner=&product=",
        "/console/batches/new", "/console/batches/new?partner=", form,
    ]  # fmt: skip

    with visitor(shop, "operations") as mei:
        for path, told in refused.items():
            answer = mei.http.get(path)
            assert (answer.status_code, told in answer.text) == (400, True), path
        assert [mei.status(path) for path in served] == [200] * len(served)
        assert 'name="quantity"' in mei.page(form)
        assert 'name="quantity"' not in mei.page("/console/batches/new?partner=")


def test_a_batch_that_there_is_not_is_refused_in_words_for_the_staff(shop: Shop, seller: Seller) -> None:
    with visitor(shop, "operations") as mei:
        for page in ("", "/cancel", "/stop"):
            answer = mei.http.get(page_of(seller, "NONE", page))
            assert (answer.status_code, "There is no batch NONE." in answer.text) == (404, True)
        assert "This is not a batch id" in mei.http.get(page_of(seller, "no id")).text


def test_while_a_batch_is_made_its_export_says_what_a_table_holds(shop: Shop, seller: Seller) -> None:
    told = "The batch is still being generated: a table has the tickets generated so far."
    begun(shop, seller, "MAKING", 10)
    # As if two were made; the service cannot sign the rest, so it stays as it is.
    shop.sql("UPDATE batches SET to_make = 8 WHERE partner_id = %s", seller.partner_id)
    seller.tickets(1, batch_id="MADE")

    with visitor(shop, "finance") as ann:
        assert told in ann.page(page_of(seller, "MAKING"))
        made = ann.page(page_of(seller, "MADE"))

    assert ("Export and print" in made, told in made) == (True, False)


def new_batch(seller: Seller, quantity: int, **fields: str) -> dict[str, str]:
    """The fields of the form for a new batch."""
    form = dict.fromkeys(("valid_until", "reservation", "metadata"), "")
    form |= {"partner": str(seller.partner_id), "product": str(seller.product_id)}
    return {**form, "quantity": str(quantity), "batch": unique("B"), **fields}


def version_of(preview: httpx.Response) -> str:
    [version] = re.findall(r'name="version" value="([^"]*)"', preview.text)
    return version


def test_a_changed_price_is_shown_before_anything_is_generated(shop: Shop, seller: Seller) -> None:
    form = new_batch(seller, 20)
    with visitor(shop, "operations") as mei:
        preview = mei.sends("/console/batches/new", **form, step="preview")
        shop.sql("UPDATE products SET price = 300 WHERE product_id = %s", seller.product_id)

        changed = mei.sends("/console/batches/new", **form, step="save", version=version_of(preview))

        assert (changed.status_code, "The price changed meanwhile" in changed.text) == (409, True)
        assert "HK$6,000.00" in changed.text
        assert seen_at_once(shop, seller)["issued"] == 0
        saved = mei.sends("/console/batches/new", **form, step="save", version=version_of(changed))
        assert saved.status_code == 303


def test_a_preview_says_what_a_reservation_still_holds(shop: Shop, seller: Seller) -> None:
    form = new_batch(seller, 200, reservation=seller.hold(300))
    with visitor(shop, "admin") as ann:
        preview = ann.sends("/console/batches/new", **form, step="preview")

        assert ["300", "100"] in [row[1:] for row in rows_of(preview.text)]
        saved = ann.sends("/console/batches/new", **form, step="save", version=version_of(preview))
        assert saved.status_code == 303
    seen = seen_at_once(shop, seller)
    assert (seen["issued"], seen["held"]) == (200, 100)


@pytest.mark.nightly
def test_a_batch_from_a_reservation_says_what_stays_held(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    hold, mei, batch = seller.hold(300), somebody("admin"), unique("HELD")

    fills_in(mei, seller, 200, batch, From_a_reservation=hold)

    assert "300\t100" in mei.page.locator(".changes").inner_text()
    mei.page.get_by_role("button", name="Back to editing").click()
    assert mei.page.get_by_label("From a reservation").input_value() == hold
    mei.page.get_by_role("button", name="Preview").click()
    mei.page.get_by_role("button", name="Generate 200 tickets").click()
    seen = seen_at_once(shop, seller)
    assert (seen["issued"], seen["held"]) == (200, 100)


def test_stopped_the_stock_of_what_is_not_made_returns(
    somebody: Somebody, shop: Shop, large_seller: Seller
) -> None:
    # Of a key that is not the service's to sign with: it makes none of it, so the figures stand still.
    mei, batch = somebody("operations"), unique("STOP")
    begun(shop, large_seller, batch, 5_000)
    mei.goes_to(page_of(large_seller, batch))

    mei.page.get_by_role("link", name="Stop generating").click()
    shown = mei.page.locator(".changes").inner_text()
    assert f"5,000 in the channel {large_seller.channel}" in shown
    mei.page.get_by_label("Reason").fill("Too many")
    mei.page.get_by_role("button", name="Stop generating").click()

    assert "No more tickets of this batch are generated" in mei.page.get_by_role("status").inner_text()
    assert "0 of 5,000 generated. The stock of the other 5,000 is available again." in mei.page.inner_text(
        "main"
    )
    seen = assert_all_agrees(shop, large_seller)
    assert (seen["issued"], seen["unmade"]) == (0, 5_000)
    [event] = mei.events("batch.generation_stopped")
    assert event["data"]["reason"] == "Too many"


def test_what_is_unused_is_cancelled_once_with_a_reason(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    mei, batch = somebody("operations"), unique("BACK")
    codes = seller.tickets(60, batch_id=batch)
    for code in codes[:2]:
        seller.activate(code)
    cancel(seller, codes[2])
    mei.goes_to(page_of(seller, batch))

    mei.page.get_by_role("link", name="Cancel unused tickets").click()
    shown = mei.page.locator(".changes").inner_text()
    for told in ("57 unused tickets", "2 active, 1 cancelled", f"57 in the channel {seller.channel}"):
        assert told in shown
    form = mei.page.locator("main form").evaluate("form => Object.fromEntries(new FormData(form))")
    mei.page.get_by_label("Reason").fill("The season is over")
    mei.page.get_by_role("button", name="Cancel unused tickets").click()
    with mei.as_client() as client:
        again = client.post(
            page_of(seller, batch, "/cancel"),
            data={**form, "reason": "The season is over"},
            headers=SAME_SITE,
        )

    assert "The unused tickets are cancelled" in mei.page.get_by_role("status").inner_text()
    assert again.status_code == 303
    [event] = mei.events("batch.cancelled")
    assert (event["data"]["cancelled"], event["data"]["reason"]) == (57, "The season is over")
    assert seen_at_once(shop, seller)["issued"] == 2
    assert_books_balance(shop, seller)
    mei.goes_to(page_of(seller, batch))
    assert mei.page.get_by_role("link", name="Cancel unused tickets").count() == 0


def test_a_reason_is_needed(shop: Shop, seller: Seller) -> None:
    batch = unique("WHY")
    seller.tickets(3, batch_id=batch)

    with visitor(shop, "operations") as mei:
        for reason in ("  ", "a\0b", "x" * 201):
            answer = mei.sends(page_of(seller, batch, "/cancel"), once="0" * 32, reason=reason)
            assert (answer.status_code, 'id="reason-wrong"' in answer.text) == (400, True)

    assert seller.http.get(f"/api/ota/batches/{batch}").json()["tickets"]["pre_generated"] == 3


def saved(person: Person, form: str, name: str, tmp_path: Path, **chosen: str) -> tuple[str, bytes]:
    """The name and the content of the file that a browser saves."""
    filled = person.page.get_by_role("form", name=form)
    filled.get_by_label("Format").select_option(label=name)
    for label, option in chosen.items():
        filled.get_by_label(label.replace("_", " ")).select_option(label=option)
    with person.page.expect_download() as download:
        filled.get_by_role("button", name="Download").click()
    target = tmp_path / "file"
    download.value.save_as(target)
    return download.value.suggested_filename, target.read_bytes()


@pytest.mark.nightly
def test_a_batch_is_taken_out_in_every_format_and_the_record_says_so(
    somebody: Somebody, shop: Shop, tmp_path: Path
) -> None:
    seller = shop.seller(name="=HYPERLINK(1)")
    ann, batch = somebody("operations"), unique("OUT:1")
    codes = seller.tickets(30, batch_id=batch, valid_until="2099-03-31")
    cancel(seller, codes[0])
    for code in codes[1:5]:
        assert seller.activate(code).status_code == 200
    ann.goes_to(page_of(seller, batch))
    name = batch.replace(":", "_")

    tables = [("Table for a spreadsheet (CSV)", "utf-8-sig", ".csv", "'=HYPERLINK(1)"),
              ("Table for a program (CSV, exact values)", "utf-8", "-plain.csv", "=HYPERLINK(1)")]  # fmt: skip
    for label, encoding, suffix, product in tables:
        file, content = saved(ann, "As a table", label, tmp_path)
        assert content.startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content.decode(encoding), newline="")))
        assert (file, [row["ticket_code"] for row in rows]) == (f"{name}{suffix}", codes)
        assert {row["product_name"] for row in rows} == {product}
    file, content = saved(ann, "As a table", "Workbook (XLSX)", tmp_path, Tickets="unused")
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    assert (file, sheet.max_row) == (f"{name}-unused.xlsx", 26)
    file, content = saved(ann, "As a table", "JSON lines", tmp_path, Tickets="all")
    assert (file, content.count(b"\n")) == (f"{name}.jsonl", 30)
    file, content = saved(ann, "To print", "QR pictures (ZIP)", tmp_path)
    assert (file, len(zipfile.ZipFile(io.BytesIO(content)).namelist())) == (f"{name}-good.zip", 29)
    for paper, per_page, pages in (("A4", 10, 3), ("Letter", 10, 3), ("A4", 24, 2), ("Letter", 24, 2)):
        file, content = saved(ann, "To print", f"Sheets to print, {paper}, {per_page} a page (PDF)", tmp_path)
        layout = f"{paper.lower()}-{per_page}"
        assert (file, len(pypdfium2.PdfDocument(content))) == (f"{name}-good-{layout}.pdf", pages)

    told = [(event["batch_id"], event["data"]["format"]) for event in ann.events("batch.exported")]
    formats = [
        "csv",
        "csv-plain",
        "xlsx",
        "jsonl",
        "zip",
        "pdf-a4-10",
        "pdf-letter-10",
        "pdf-a4-24",
        "pdf-letter-24",
    ]
    assert told == [(batch, form) for form in formats]


def test_finance_exports_tables_without_what_opens_a_gate(
    somebody: Somebody, seller: Seller, tmp_path: Path
) -> None:
    ann, batch = somebody("finance"), unique("OUT")
    [code] = seller.tickets(1, batch_id=batch)
    token = seller.http.get(f"/api/ota/tickets/{code}").json()["qr_token"]
    ann.goes_to(page_of(seller, batch))

    for label in ("Table for a spreadsheet (CSV)", "Table for a program (CSV, exact values)", "JSON lines"):
        _, content = saved(ann, "As a table", label, tmp_path)
        assert code.encode() in content
        assert b"qr_token" not in content
        assert token.encode() not in content
    _, content = saved(ann, "As a table", "Workbook (XLSX)", tmp_path)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    assert [cell.value for cell in sheet[1]][:3] == ["ticket_code", "status", "product_id"]
    assert token not in repr([[cell.value for cell in row] for row in sheet])
    assert ann.page.get_by_role("form", name="To print").count() == 0
    form = {"form_token": ann.form_token(), "which": "all", "part": "1"}
    with ann.as_client() as client:
        for printed in ("zip", "pdf-a4-10", "pdf-letter-24"):
            data = {**form, "format": printed}
            answer = client.post(page_of(seller, batch, "/export"), data=data, headers=SAME_SITE)
            assert (answer.status_code, "role" in answer.text) == (403, True)
    assert len(ann.events("batch.exported")) == 4


def test_pictures_and_sheets_are_exported_and_recorded(shop: Shop, seller: Seller) -> None:
    batch = unique("OUT")
    codes = seller.tickets(3, batch_id=batch)
    cancel(seller, codes[0])
    with visitor(shop, "operations") as mei:
        files = {
            form: mei.sends(page_of(seller, batch, "/export"), format=form, which="good")
            for form in ("zip", "pdf-letter-24")
        }
        events = mei.events("batch.exported")

    assert len(zipfile.ZipFile(io.BytesIO(files["zip"].content)).namelist()) == 2
    assert f'"{batch}-good.zip"' in files["zip"].headers["content-disposition"]
    assert len(pypdfium2.PdfDocument(files["pdf-letter-24"].content)) == 1
    assert [(event["batch_id"], event["data"]["format"]) for event in events] == [
        (batch, form) for form in files
    ]


def test_a_name_without_glyphs_is_refused_until_another_is_given(shop: Shop) -> None:
    seller, batch = shop.seller(name="หาดใหญ่ Ferry"), unique("THAI")
    seller.tickets(1, batch_id=batch)
    path = page_of(seller, batch, "/export")
    form = {"format": "pdf-a4-10", "which": "all", "part": "1"}
    with visitor(shop, "operations") as mei:
        assert "ห (U+0E2B)" in mei.page(page_of(seller, batch))
        refused = mei.sends(path, **form)
        assert (refused.is_success, "ห (U+0E2B)" in refused.text) == (False, True)
        for name, why in (("\u3164", "visible"), ("Hat \u202eiaY", "U+202E"), ("H" * 201, "1 to 200")):
            refused = mei.sends(path, **form, name=name)
            assert (refused.status_code, why in refused.text) == (400, True), name
        assert mei.events("batch.exported") == []
        printed = mei.sends(path, **form, name="Hat Yai Ferry\u200b")

    text = pypdfium2.PdfDocument(printed.content)[0].get_textpage().get_text_range()
    assert "Hat Yai Ferry" in text


@pytest.mark.nightly
def test_a_name_that_sheets_cannot_print_is_said_before_printing_and_replaced(
    somebody: Somebody, shop: Shop, tmp_path: Path
) -> None:
    seller = shop.seller(name="หาดใหญ่ Ferry")
    mei, batch = somebody("operations"), unique("THAI")
    seller.tickets(1, batch_id=batch)
    mei.goes_to(page_of(seller, batch))
    form = mei.page.get_by_role("form", name="To print")

    assert "ห (U+0E2B)" in form.inner_text()
    layout = "Sheets to print, A4, 10 a page (PDF)"
    form.get_by_label("Format").select_option(label=layout)
    form.get_by_role("button", name="Download").click()
    assert "ห (U+0E2B)" in mei.page.get_by_role("main").inner_text()
    assert mei.events("batch.exported") == []
    mei.goes_to(page_of(seller, batch))
    with mei.as_client() as client:
        data = {"form_token": mei.form_token(), "format": "pdf-a4-10", "which": "all", "part": "1"}
        for name, why in (
            ("\u3164", "visible character"),
            ("Hat \u202eiaY", "U+202E"),
            ("H" * 201, "1 to 200"),
        ):
            path = page_of(seller, batch, "/export")
            refused = client.post(path, data={**data, "name": name}, headers=SAME_SITE)
            assert (refused.status_code, why in refused.text) == (400, True), name
    mei.page.get_by_label("Name on the sheets").fill("Hat Yai Ferry\u200b")
    _, content = saved(mei, "To print", layout, tmp_path)
    assert "Hat Yai Ferry" in pypdfium2.PdfDocument(content)[0].get_textpage().get_text_range()


@pytest.mark.nightly
def test_what_is_printed_of_a_large_batch_comes_in_parts_that_stay_as_they_are(
    somebody: Somebody, shop: Shop, large_seller: Seller
) -> None:
    mei, batch = somebody("operations"), unique("PARTS")
    codes = write_tickets(shop, large_seller, batch, 5_003)
    mei.goes_to(page_of(large_seller, batch))
    parts = mei.page.get_by_label("Part").locator("option").all_inner_texts()
    form: dict[str, Any] = {"form_token": mei.form_token(), "format": "zip", "which": "unused"}

    def part(number: int) -> httpx.Response:
        with mei.as_client() as client:
            data = {**form, "part": str(number)}
            return client.post(page_of(large_seller, batch, "/export"), data=data, headers=SAME_SITE)

    assert parts == ["1 of 2: tickets 1 to 5,000", "2 of 2: tickets 5,001 to 5,003"]
    second = part(2)
    assert second.headers["content-disposition"] == f'attachment; filename="{batch}-unused-2.zip"'
    assert zipfile.ZipFile(io.BytesIO(second.content)).namelist() == [f"{code}.png" for code in codes[5_000:]]
    for code in codes[:4]:
        cancel(large_seller, code)
    # Nothing has moved from the second part to the first.
    assert len(zipfile.ZipFile(io.BytesIO(part(2).content)).namelist()) == 3
    cancel_all = [cancel(large_seller, code) for code in codes[5_000:]]
    assert {answer.status_code for answer in cancel_all} == {200}
    assert (part(2).status_code, "No tickets to print" in part(2).text) == (409, True)
    assert part(3).status_code == 404


def write_tickets(shop: Shop, seller: Seller, batch_id: str, quantity: int) -> list[str]:
    begun(shop, seller, batch_id, quantity)
    shop.sql(
        "UPDATE batches SET to_make = 0 WHERE partner_id = %s AND batch_id = %s", seller.partner_id, batch_id
    )
    rows = shop.sql(
        "INSERT INTO pre_generated_tickets (ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price,"
        " currency, created_at) SELECT code, %s, %s, %s,"
        r" translate(encode(('PM1:' || code || ':1:K1:' || repeat('A', 96))::bytea, 'base64'), E'\n', ''), '[]', 288,"
        " 'HKD', now() FROM generate_series(%s::bigint, %s::bigint) AS n"
        " CROSS JOIN LATERAL (SELECT 'PARTS-2025-FERRY-' || lpad(n::text, 13, '0') AS code) AS coded"
        " RETURNING ticket_code",
        seller.partner_id, seller.product_id, batch_id, seller.partner_id * 10**6, seller.partner_id * 10**6 + quantity - 1,
    )  # fmt: skip
    return sorted(row["ticket_code"] for row in rows)


def test_an_export_that_there_is_not_is_refused(shop: Shop, seller: Seller) -> None:
    batch = unique("B")
    seller.tickets(1, batch_id=batch)
    form = {"format": "csv", "which": "all", "part": "1"}
    wrong = [{"format": "exe"}, {"which": "mine"}, {"part": "0"}, {"part": "9" * 40}, {"part": "²"}]

    with visitor(shop, "finance") as ann:
        path = page_of(seller, batch, "/export")
        statuses = [ann.sends(path, **{**form, **each}).status_code for each in wrong]
        unknown = ann.sends(page_of(seller, "NONE", "/export"), **form)
        events = ann.events("batch.exported")

    assert statuses == [400] * len(wrong)
    assert unknown.status_code == 404
    assert events == []


def test_batches_are_listed_by_product_and_by_how_far_they_are(somebody: Somebody, shop: Shop) -> None:
    seller = shop.seller(name=unique("Night Tour"))
    other = shop.product(seller.channel, 100)
    batches = {each: unique(each) for each in ("MADE", "MAKING", "OTHER")}
    seller.tickets(1, batch_id=batches["MADE"])
    begun(shop, seller, batches["MAKING"], 10)
    seller.tickets(1, batch_id=batches["OTHER"], product_id=other)
    ann = somebody("finance")

    def listed(**chosen: object) -> list[str]:
        query = "&".join(f"{name}={value}" for name, value in chosen.items())
        assert ann.goes_to(f"/console/batches?{query}") == 200
        return [text for text in ann.page.locator("tbody a").all_inner_texts() if text in batches.values()]

    assert listed(product=seller.product_id) == [batches["MAKING"], batches["MADE"]]
    assert listed(product=seller.product_id, partner=seller.partner_id) == [
        batches["MAKING"],
        batches["MADE"],
    ]
    assert listed(status="MAKING") == [batches["MAKING"]]
    assert listed(status="MAKING", partner=seller.partner_id, product=other) == []
    assert "No batch found" in ann.page.inner_text("main")
    ann.chooses("Product", value=str(other))
    ann.chooses("Generation", value="MADE")
    assert ann.page.locator("tbody a").all_inner_texts() == [batches["OTHER"]]


@pytest.mark.nightly
def test_after_many_tickets_a_page_goes_on_with_batches_that_it_does_not_count(
    somebody: Somebody, shop: Shop
) -> None:
    seller = shop.seller(stock=12_000)
    seller.tickets(3, batch_id="OLD")
    begun(shop, seller, "LARGE", 10_000)
    seller.tickets(3, batch_id="NEW")
    ann = somebody("finance")

    for path in ("/console/batches", f"/console/batches?partner={seller.partner_id}"):
        ann.goes_to(path)
        rows = ann.page.locator("tbody tr")
        assert [rows.nth(place).locator("a").inner_text() for place in range(3)] == ["NEW", "LARGE", "OLD"]
        assert [rows.nth(place).get_by_role("img").count() for place in range(3)] == [1, 1, 0]
        assert "on the batch page" in rows.nth(2).inner_text()


@pytest.mark.nightly
def test_of_a_large_batch_those_in_one_state_are_found_page_by_page(
    somebody: Somebody, shop: Shop, large_seller: Seller
) -> None:
    codes = write_tickets(shop, large_seller, batch := unique("STATES"), 10_050)
    for code in (codes[0], codes[-1]):
        cancel(large_seller, code)
    ann = somebody("finance")

    ann.goes_to(page_of(large_seller, batch) + "&state=CANCELLED")
    first = ann.page.locator("tbody .code").all_inner_texts()
    ann.page.get_by_role("link", name="Next page").click()

    assert first == codes[-1:]
    assert ann.page.locator("tbody .code").all_inner_texts() == codes[:1]
    assert ann.page.get_by_role("link", name="Next page").count() == 0


@pytest.mark.nightly
def test_a_filter_that_few_batches_match_still_has_pages(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    mine = [unique("B") for _ in range(30)]
    for number, batch_id in enumerate(mine):
        seller.tickets(1, batch_id=batch_id)
        if number % 2:
            shop.seller().tickets(1)
    ann = somebody("finance")

    ann.goes_to(f"/console/batches?product={seller.product_id}&status=MADE")
    first = ann.page.locator("tbody a").all_inner_texts()
    ann.page.get_by_role("link", name="Next page").click()

    assert first + ann.page.locator("tbody a").all_inner_texts() == mine[::-1]
    assert ann.page.get_by_role("link", name="Next page").count() == 0


@pytest.mark.nightly
def test_a_product_may_have_an_id_of_nineteen_digits(somebody: Somebody, shop: Shop) -> None:
    # The very largest is the one that other tests, and the Postman collection, take for a product that nobody has.
    seller, batch = shop.seller(product_id=PRODUCT_ID_MAX - 1), unique("LARGEST")
    mei = somebody("operations")

    fills_in(mei, seller, 2, batch)
    mei.page.get_by_role("button", name="Generate 2 tickets").click()
    mei.page.get_by_role("link", name="All 2").wait_for()
    mei.goes_to(f"/console/batches?product={seller.product_id}")

    assert mei.page.locator("tbody a").all_inner_texts() == [batch]
    assert mei.goes_to(f"/console/batches?product={PRODUCT_ID_MAX + 1}") == 400


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf-a4-10", "zip"])
def test_no_file_is_made_of_a_batch_that_cannot_be(shop: Shop, seller: Seller, form: str) -> None:
    with visitor(shop, "operations") as mei:
        for batch in ("%00", "no%20id", "%ED%A0%80"):
            path = f"/console/batch/export?partner={seller.partner_id}&batch={batch}"
            assert (batch, mei.sends(path, format=form).status_code) == (batch, 404)


def test_a_link_of_another_site_cannot_say_that_something_was_done(shop: Shop, seller: Seller) -> None:
    batch = unique("QUIET")
    seller.tickets(1, batch_id=batch)
    address = f"{page_of(seller, batch)}&done=cancelled"
    told = "The unused tickets are cancelled"

    with visitor(shop, "operations") as mei:
        own, foreign, typed = (
            mei.http.get(address, headers={"Sec-Fetch-Site": site}).text
            for site in ("same-origin", "cross-site", "none")
        )

    assert (told in own, told in foreign, told in typed) == (True, False, False)
