"""Batches with what became of their tickets, and the staff as an admin manages it."""

import pytest
from browser.conftest import PASSWORD, Somebody
from browser.visitors import visitor
from support.shop import Seller, Shop, unique
from support.taking_back import cancel


def test_batches_of_all_partners_are_listed_with_bars_of_their_states(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    other = shop.seller()
    mine, theirs = unique("MINE"), unique("THEIRS")
    codes = seller.tickets(4, batch_id=mine)
    other.tickets(1, batch_id=theirs)
    seller.activate(codes[0])
    cancel(seller, codes[1])
    finance = somebody("finance")

    finance.goes_to("/console/batches")

    rows = finance.page.locator("tbody tr")
    assert rows.nth(0).locator("a").inner_text() == theirs
    assert rows.nth(1).locator("a").inner_text() == mine
    assert rows.nth(1).get_by_role("img").get_attribute("aria-label") == "2 unused, 1 active, 1 cancelled"
    widths = (
        rows.nth(1).locator("rect").evaluate_all("all => all.map(each => each.getBoundingClientRect().width)")
    )
    assert widths[0] > 50
    assert [round(width / widths[1]) for width in widths] == [2, 1, 1]

    finance.chooses("Partner", label=seller.name)
    finance.page.wait_for_url("**partner=*")
    assert rows.locator("a").all_inner_texts() == [mine]


@pytest.mark.nightly
def test_batches_come_in_pages(somebody: Somebody, seller: Seller) -> None:
    made = [unique("B") for _ in range(30)]
    for batch_id in made:
        seller.tickets(1, batch_id=batch_id)
    finance = somebody("finance")

    for address in (f"/console/batches?partner={seller.partner_id}", "/console/batches"):
        finance.goes_to(address)
        first = finance.page.locator("tbody a").all_inner_texts()
        finance.page.get_by_role("link", name="Next page").click()
        second = finance.page.locator("tbody a").all_inner_texts()
        assert (first + second)[:30] == made[::-1]
        assert len(first) == 25
    finance.page.get_by_role("link", name="First page").click()
    assert finance.page.locator("tbody a").all_inner_texts() == first


def test_a_batch_shows_its_tickets_in_pages_and_by_state(somebody: Somebody, seller: Seller) -> None:
    batch = "..:"  # The worst that an id can be.
    codes = seller.tickets(60, batch_id=batch, metadata={"campaign": "spring"}, valid_until="2099-03-31")
    for code in codes[:2]:
        seller.activate(code)
    finance = somebody("finance")
    finance.goes_to(f"/console/batches?partner={seller.partner_id}")

    finance.page.get_by_role("link", name=batch, exact=True).click()

    shown = finance.page.inner_text("main")
    for told in (
        seller.name,
        "Harbour Cruise Premium",
        "HK$288.00",
        "31 Mar 2099",
        "spring",
        "All 60",
        "Unused 58",
        "Active 2",
    ):
        assert told in shown
    first = finance.page.locator("tbody .code").all_inner_texts()
    finance.page.get_by_role("link", name="Next page").click()
    assert sorted(first + finance.page.locator("tbody .code").all_inner_texts()) == sorted(codes)
    finance.page.get_by_role("link", name="Active 2").click()
    assert sorted(finance.page.locator("tbody .code").all_inner_texts()) == codes[:2]


def test_an_admin_adds_somebody_who_can_sign_in(shop: Shop) -> None:
    name = unique("new")
    with visitor(shop, "admin") as admin, shop.client() as new:
        added = admin.sends("/console/staff", name=name, role="finance", password=PASSWORD)
        signed_in = new.post(
            "/console/sign-in",
            data={"name": name, "password": PASSWORD},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        [event] = admin.events("staff.added")

    assert added.headers["location"] == f"/console/staff/{name}?done=added"
    assert signed_in.headers["location"] == "/console"
    assert event["data"]["role"] == "finance"


def test_what_is_wrong_with_a_new_member_is_told_beside_its_field(somebody: Somebody) -> None:
    admin = somebody("admin")
    admin.goes_to("/console/staff")

    with admin.as_client() as client:
        form = {"form_token": admin.form_token(), "name": "not a name", "role": "king", "password": "short"}
        answer = client.post("/console/staff", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        taken = {**form, "name": admin.name.upper(), "role": "gate", "password": PASSWORD}
        conflict = client.post("/console/staff", data=taken, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 400
    for field in ("name", "role", "password"):
        assert f'aria-describedby="{field}-wrong' in answer.text
        assert f'id="{field}-wrong"' in answer.text
    assert (conflict.status_code, "already a member of staff" in conflict.text) == (409, True)


@pytest.mark.nightly
def test_an_admin_changes_somebody_s_role_password_and_access(somebody: Somebody) -> None:
    admin, mei = somebody("admin"), somebody("finance")
    admin.goes_to(f"/console/staff/{mei.name}")

    admin.page.get_by_role("combobox", name="Role").select_option("operations")
    admin.page.get_by_role("button", name="Change role").click()
    assert "role is changed" in admin.page.get_by_role("status").inner_text()
    admin.page.get_by_label("New password").fill("four small ferries")
    admin.page.get_by_role("button", name="Change password").click()
    assert "new password is set" in admin.page.get_by_role("status").inner_text()
    mei.signs_in("four small ferries")
    assert mei.goes_to("/console/tickets") == 200
    admin.page.get_by_role("button", name="Disable").click()
    assert "Disabled" in admin.page.get_by_role("status").inner_text()
    mei.goes_to("/console/tickets")
    assert mei.path.startswith("/console/sign-in")
    admin.page.get_by_role("button", name="Enable").click()
    assert "Enabled" in admin.page.get_by_role("status").inner_text()
    mei.signs_in("four small ferries")

    assert mei.path == "/console"
    for event in ("role_set", "password_set", "disabled", "enabled"):
        [told] = mei.events(f"staff.{event}")
        assert told["actor"] == f"staff:{admin.staff_id}"


def test_an_admin_cannot_lock_themselves_out(somebody: Somebody) -> None:
    admin = somebody("admin")
    admin.goes_to(f"/console/staff/{admin.name}")
    assert admin.page.get_by_role("button", name="Disable").count() == 0

    with admin.as_client() as client:
        form = {"form_token": admin.form_token(), "role": "gate"}
        answers = [
            client.post(
                f"/console/staff/{admin.name}/{what}", data=form, headers={"Sec-Fetch-Site": "same-origin"}
            )
            for what in ("role", "disable")
        ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert admin.goes_to("/console/staff") == 200
