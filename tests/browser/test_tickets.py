"""Tickets and orders, as operations and finance look for them and change them."""

from urllib.parse import quote

import httpx
import pytest
from support.shop import Seller, Shop, unique
from support.taking_back import assert_books_balance, reissue, status_of

from .conftest import Somebody


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
    mei = somebody("finance")

    mei.searches(f"  {sold['code'].lower()} ")

    assert mei.path == f"/console/tickets/{sold['code']}"
    shown = mei.page.inner_text("main")
    for told in (
        sold["code"], "Active", "Harbour Cruise Premium", seller.name, sold["order_id"], "Mei Wong 黃美", sold["email"],
        sold["phone"], sold["payment"], "288.00 HKD", "2 ferry left", "Generated", "Activated", f"by API key {seller.key_id}",
    ):  # fmt: skip
        assert told in shown
    width = "document.querySelector('.picture img').naturalWidth"
    assert mei.page.evaluate(width) > 100
