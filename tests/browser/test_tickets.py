"""Tickets and orders, as operations and finance look for them and change them."""

from urllib.parse import quote

import httpx
import pytest
from browser.conftest import Somebody
from browser.visitors import rows_of, visitor
from markupsafe import escape
from support.shop import Seller, Shop, unique
from support.taking_back import assert_books_balance, reissue, status_of

NOT_THERE = [
    "CRUISE-2025-FERRY-0000000000001",
    "ORD-0000000000001",
    "a@b.example",
    "+85200000000",
    "-%_",
    "'; --",
    "<b>",
]


@pytest.fixture
def sold(seller: Seller) -> dict[str, str]:
    """A ticket that was sold, with everything that somebody could have in hand of it."""
    [code] = seller.tickets(1)
    email, payment = f"{unique('Mei.Wong')}@example.com", unique("PAY")
    phone = f"+852{payment[-9:]}"
    order_id = seller.activate(
        code, name="Mei Wong 黃美", email=email, phone=phone, payment_reference=payment
    ).json()["order_id"]
    ticket = seller.http.get(f"/api/ota/tickets/{code}").json()
    return {
        "code": code,
        "order_id": order_id,
        "payment": payment,
        "email": email,
        "phone": phone,
        "token": ticket["qr_token"],
    }


def test_a_ticket_is_found_by_its_code_and_shown_whole(
    somebody: Somebody, seller: Seller, sold: dict[str, str]
) -> None:
    mei = somebody("operations")

    mei.searches(f"  {sold['code'].lower()} ")

    assert mei.path == f"/console/tickets/{sold['code']}"
    shown = mei.page.inner_text("main")
    for told in (
        sold["code"], "Active", "Harbour Cruise Premium", seller.name, sold["order_id"], "Mei Wong 黃美", sold["email"],
        sold["phone"], sold["payment"], "HK$288.00", "2 ferry left", "Generated", "Activated", f"by API key {seller.key_id}",
    ):  # fmt: skip
        assert told in shown
    mei.page.wait_for_function("document.querySelector('.picture img')?.naturalWidth > 100")


@pytest.mark.parametrize("by", ["order_id", "email", "phone", "payment"])
@pytest.mark.nightly(but_first=True)
def test_a_sale_is_found_by_whatever_is_in_hand(somebody: Somebody, sold: dict[str, str], by: str) -> None:
    mei = somebody("operations")

    mei.searches(sold[by].swapcase() if by == "email" else sold[by])

    assert mei.path == f"/console/orders/{sold['order_id']}"
    assert sold["code"] in mei.page.inner_text("table")


@pytest.mark.nightly
def test_a_phone_number_is_found_however_it_is_typed(somebody: Somebody, sold: dict[str, str]) -> None:
    mei = somebody("operations")
    digits = sold["phone"].removeprefix("+")

    for typed in (digits, f"00{digits}", f"+{digits[:3]} {digits[3:7]}-{digits[7:]}"):
        mei.goes_to("/console/tickets")
        mei.searches(typed)
        assert mei.path == f"/console/orders/{sold['order_id']}", typed


def test_a_search_takes_a_phone_number_in_any_form(shop: Shop, seller: Seller, sold: dict[str, str]) -> None:
    digits, order = sold["phone"].removeprefix("+"), f"/console/orders/{sold['order_id']}"
    local = f"5{unique('')[-8:]}"
    same_end = [
        seller.activate(code, phone=f"+{country}{local}").json()["order_id"]
        for code, country in zip(seller.tickets(2), ("852", "44"), strict=True)
    ]
    with visitor(shop, "operations") as mei:
        for typed in (digits, f"00{digits}", f"+{digits[:3]} {digits[3:7]}-{digits[7:]}"):
            assert mei.sends("/console/search", searched=typed).headers["location"] == order, typed
        for typed in (local, f"0{local}", f"({local[:4]}) {local[4:]}"):
            several = mei.sends("/console/search", searched=typed)
            # A redirect to this list would have the number in its address.
            assert several.status_code == 200
            assert sorted(row[0] for row in rows_of(several.text)) == sorted(same_end), typed


def test_a_search_without_a_result_says_so(shop: Shop) -> None:
    with visitor(shop, "operations") as mei:
        for text in NOT_THERE:
            page = mei.sends("/console/search", searched=text).text
            assert "Nothing found" in page, text
            assert f'value="{escape(text)}"' in page


@pytest.mark.nightly
def test_a_local_phone_number_that_several_customers_end_with_lists_them_all(
    somebody: Somebody, seller: Seller
) -> None:
    mei, local = somebody("operations"), f"5{unique('')[-8:]}"
    codes = seller.tickets(3)
    sold = {
        name: seller.activate(code, name=name, phone=phone).json()["order_id"]
        for code, (name, phone) in zip(
            codes,
            {"Mei": f"+852{local}", "Ann": f"+44{local}", "Bo": f"+86138{local[1:]}"}.items(),
            strict=True,
        )
    }

    for typed in (local, f"0{local}", f"({local[:4]}) {local[4:]}"):
        mei.goes_to("/console/tickets")
        mei.searches(typed)

        assert mei.path == "/console/search", "no address has a customer's number"
        rows = mei.page.get_by_role("row").all_inner_texts()[1:]
        assert sorted(name for name in sold for row in rows if name in row) == ["Ann", "Mei"], typed
        assert local in mei.heading
    mei.page.get_by_role("link", name=sold["Ann"]).click()
    assert mei.path == f"/console/orders/{sold['Ann']}"
    assert f"+44{local}" in mei.page.inner_text("main")


def test_several_orders_of_one_customer_are_listed_whichever_partner_sold_them(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    email, other = f"{unique('ann')}@example.com", shop.seller()
    orders = [
        each.activate(each.tickets(1)[0], email=email).json()["order_id"] for each in (seller, other, seller)
    ]
    mei = somebody("operations")

    mei.searches(email)

    links = mei.page.locator("tbody tr td:first-child a").all_inner_texts()
    assert links == sorted(orders, reverse=True)
    assert mei.path == f"/console/orders/{links[0]}/same/email"
    assert email not in mei.page.url
    assert {seller.name, other.name} <= set(mei.page.inner_text("table").replace("\t", "\n").split("\n"))


@pytest.mark.nightly
def test_more_orders_than_a_page_shows_are_said_to_be_more(somebody: Somebody, seller: Seller) -> None:
    payment = unique("PAY")
    for code in seller.tickets(51):
        assert seller.activate(code, payment_reference=payment).status_code == 200
    mei = somebody("operations")

    mei.searches(payment)

    assert mei.page.locator("tbody tr").count() == 50
    assert "more than the 50" in mei.page.get_by_role("status").inner_text()


@pytest.mark.nightly
@pytest.mark.parametrize("text", NOT_THERE)
def test_what_there_is_not_is_said_not_to_be(somebody: Somebody, text: str) -> None:
    mei = somebody("operations")

    mei.searches(text)

    assert "Nothing found" in mei.page.get_by_role("alert").inner_text()
    assert mei.page.get_by_role("searchbox").input_value() == text


def test_a_scanned_qr_leads_to_its_ticket_and_is_judged(
    somebody: Somebody, seller: Seller, sold: dict[str, str]
) -> None:
    mei = somebody("operations")

    def told() -> str:
        assert mei.path.startswith(f"/console/tickets/{sold['code']}?")
        return mei.page.get_by_role("status").inner_text()

    mei.searches(sold["token"])
    assert "is valid" in told()
    mei.searches(sold["token"][:-1] + ("0" if sold["token"][-1] != "0" else "1"))
    assert "not created by this service" in told()
    reissue(seller, sold["code"])
    mei.searches(sold["token"])
    assert "replaced" in told()


def test_a_ticket_is_cancelled_with_a_reason(
    somebody: Somebody, shop: Shop, seller: Seller, sold: dict[str, str]
) -> None:
    mei = somebody("operations")
    mei.goes_to(f"/console/tickets/{sold['code']}")

    mei.page.get_by_role("link", name="Cancel the ticket").click()
    assert "cannot be undone" in mei.page.inner_text("main")
    mei.page.get_by_label("Reason").fill("The ferry did not sail")
    mei.page.get_by_role("button", name="Cancel the ticket").click()

    assert "The ticket is cancelled" in mei.page.get_by_role("status").inner_text()
    history = mei.page.locator(".timeline").inner_text()
    assert "The ferry did not sail" in history
    assert f"by {mei.name}" in history
    assert mei.page.get_by_role("link", name="Cancel the ticket").count() == 0
    assert status_of(seller, sold["code"]) == "CANCELLED"
    [event] = shop.sql(
        "SELECT * FROM audit_events WHERE event = 'ticket.cancelled' AND ticket_code = %s", sold["code"]
    )
    assert (event["actor"], event["partner_id"]) == (f"staff:{mei.staff_id}", seller.partner_id)
    assert_books_balance(shop, seller)


@pytest.mark.nightly
def test_a_ticket_is_reissued_with_a_reason(somebody: Somebody, seller: Seller, sold: dict[str, str]) -> None:
    mei = somebody("admin")
    mei.goes_to(f"/console/tickets/{sold['code']}")

    mei.page.get_by_role("link", name="Reissue the QR").click()
    mei.page.get_by_label("Reason").fill("The phone was lost")
    mei.page.get_by_role("button", name="Reissue the QR").click()

    assert "a new QR" in mei.page.get_by_role("status").inner_text()
    ticket = seller.http.get(f"/api/ota/tickets/{sold['code']}").json()
    assert (ticket["issue_number"], ticket["history"][-1]["reason"]) == (2, "The phone was lost")
    assert "actor" not in ticket["history"][-1]


def test_a_form_that_is_sent_twice_is_done_once(
    somebody: Somebody, seller: Seller, sold: dict[str, str]
) -> None:
    mei = somebody("operations")
    mei.goes_to(f"/console/tickets/{sold['code']}/reissue")
    once = mei.page.locator("input[name=once]").get_attribute("value")
    form = {"form_token": mei.form_token(), "once": once, "reason": "lost"}

    with mei.as_client() as client:
        answers = [
            client.post(mei.path, data=form, headers={"Sec-Fetch-Site": "same-origin"}) for _ in range(2)
        ]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert seller.http.get(f"/api/ota/tickets/{sold['code']}").json()["issue_number"] == 2


@pytest.mark.nightly
def test_no_reason_and_no_ticket_to_cancel_are_told_on_a_page(
    somebody: Somebody, seller: Seller, sold: dict[str, str]
) -> None:
    mei = somebody("operations")
    mei.goes_to(f"/console/tickets/{sold['code']}/cancel")
    mei.page.get_by_label("Reason").fill("   ")
    mei.page.get_by_role("button", name="Cancel the ticket").click()
    assert "Must be 1 to 200 characters" in mei.page.locator("#reason-wrong").inner_text()
    assert status_of(seller, sold["code"]) == "ACTIVE"

    mei.page.get_by_label("Reason").fill("lost")
    seller.http.post(f"/api/ota/tickets/{sold['code']}/cancel", json={"reason": "before"})
    mei.page.get_by_role("button", name="Cancel the ticket").click()

    assert mei.heading == "The ticket is cancelled"


def test_what_a_partner_wrote_is_text_and_no_markup(somebody: Somebody, seller: Seller) -> None:
    [code] = seller.tickets(1)
    seller.activate(code, name="<img src=x onerror=alert(1)>", payment_reference="<b>&amp;")
    mei = somebody("operations")

    mei.goes_to(f"/console/tickets/{code}")

    assert "<img src=x onerror=alert(1)>" in mei.page.inner_text("main")
    assert "<b>&amp;" in mei.page.inner_text("main")
    assert mei.page.locator("main img").count() == 1


def test_the_address_of_a_ticket_holds_no_more_than_its_code(
    somebody: Somebody, sold: dict[str, str]
) -> None:
    mei = somebody("operations")
    mei.goes_to(f"/console/tickets/{quote(sold['code'])}/qr.svg")

    with mei.as_client() as client:
        picture = client.get(mei.path)
    assert (picture.status_code, picture.headers["content-type"]) == (httpx.codes.OK, "image/svg+xml")
    assert picture.headers["cache-control"] == "private, no-store"
