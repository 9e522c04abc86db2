"""By keyboard, on a phone, in light and dark, with a screen reader."""

import pytest
from browser.barriers import barriers_of
from browser.conftest import PASSWORD, PHONE, Somebody
from gate.conftest import gate_of
from support.large import begun
from support.shop import Seller, Shop, unique
from support.taking_back import cancel, reissue


def paths(shop: Shop, seller: Seller) -> dict[str, list[str]]:
    """Every kind of page, with much on it: first those that are used every day."""
    batch = unique("BATCH_WITH_A_LONG_NAME")
    codes = seller.tickets(
        60, batch_id=batch, metadata={"campaign": "a-word-without-any-place-to-break-it" * 3}
    )
    order_id = seller.draw(batch, 5, payment_reference="P" * 128, name="Maximilian-Alexander" * 8).json()[
        "order_id"
    ]
    reissue(seller, codes[0])
    cancel(seller, codes[1])
    unreadable = {"scan_id": "unreadable-1"}
    gate = gate_of(shop, seller.name)
    assert gate.sync(unreadable).json()["conflicts"] == 1
    [device] = shop.sql("SELECT gate_device_id FROM gate_devices WHERE device_id = %s", gate.device_id)
    making = begun(shop, seller, unique("MAKING"), 500)
    return {
        "daily": [
            f"/console?partner={seller.partner_id}&days=90",
            f"/console/tickets/{codes[0]}?done=reissued",
            f"/console/orders/{order_id}",
            f"/console/batch?partner={seller.partner_id}&batch={batch}",
            f"/console/audit?ticket={codes[0]}",
            "/console/staff",
        ],
        "others": [
            "/console",
            "/console/tickets",
            f"/console/tickets/{codes[1]}?scanned=forged",
            f"/console/tickets/{codes[0]}/cancel",
            f"/console/tickets/{codes[0]}/reissue",
            f"/console/orders/{order_id}/same/payment",
            "/console/batches",
            f"/console/batch?partner={seller.partner_id}&batch={batch}&state=ACTIVE",
            "/console/batches?status=STOPPED",
            f"/console/batch?partner={seller.partner_id}&batch={making}&done=begun",
            f"/console/batch/stop?partner={seller.partner_id}&batch={making}",
            f"/console/batch/cancel?partner={seller.partner_id}&batch={batch}",
            "/console/batches/new",
            "/console/audit",
            "/console/audit?who=nobody&batch=B",
            "/console/account",
            f"/console/gate-devices?find={gate.device_id}",
            "/console/gate-devices?find=nothing",
            f"/console/gate-devices/{device['gate_device_id']}/revoke",
            "/console/customers",
            "/console/nowhere",
        ],
    }


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("kind", ["daily", "others"])
def test_no_page_has_a_barrier_or_is_wider_than_its_screen(
    somebody: Somebody, shop: Shop, seller: Seller, kind: str
) -> None:
    ann = somebody("admin")
    found: dict[str, object] = {}

    for path in paths(shop, seller)[kind]:
        ann.goes_to(path)
        for details in ann.page.locator("summary").all():
            details.click()
        if barriers := barriers_of(ann.page):
            found[path] = barriers

    assert found == {}


@pytest.mark.nightly
def test_no_page_of_a_form_that_was_sent_has_a_barrier(somebody: Somebody, seller: Seller) -> None:
    ann, other = somebody("admin"), somebody("gate", signed_in=False)
    found: dict[str, object] = {}

    def look(path: str) -> None:
        if barriers := barriers_of(ann.page):
            found[path] = barriers

    ann.goes_to(f"/console/staff/{other.name}")
    look("/console/staff/other")
    ann.goes_to(f"/console/batches/new?partner={seller.partner_id}")
    for step, quantity in (("wrong", "0"), ("checked", "10")):
        ann.page.get_by_label("Number of tickets").fill(quantity)
        ann.page.get_by_label("Batch id").fill("A_BATCH_WITH_A_LONG_NAME_" * 2)
        ann.page.get_by_role("button", name="Preview").click()
        look(f"/console/batches/new, {step}")
    ann.goes_to("/console/account")
    ann.page.get_by_role("button", name="Sign out", exact=True).click()
    look("/console/sign-in")
    ann.signs_in("three large ferries")
    look("/console/sign-in, refused")

    assert found == {}


def test_dark_is_dark_and_light_is_light(somebody: Somebody) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = {scheme: somebody("gate", signed_in=False, color_scheme=scheme) for scheme in ("light", "dark")}
    for each in seen.values():
        each.goes_to("/console/sign-in")

    assert {scheme: each.page.evaluate(ground) for scheme, each in seen.items()} == {
        "light": "rgb(246, 247, 248)",
        "dark": "rgb(18, 23, 28)",
    }


def test_a_preview_breaks_no_word_on_a_phone(somebody: Somebody, seller: Seller) -> None:
    [code] = seller.tickets(1)
    mei = somebody("operations", viewport=PHONE)
    lines = "(text) => text.getClientRects().length"

    mei.goes_to(f"/console/tickets/{code}/cancel")

    values = mei.page.locator(".changes ins")
    assert values.filter(has_text="Cancelled").evaluate(lines) == 1
    assert values.filter(has_text=code).evaluate(lines) <= 2


@pytest.mark.nightly
def test_a_batch_is_made_by_keyboard_alone(somebody: Somebody, seller: Seller) -> None:
    mei, batch = somebody("operations"), unique("KEYS")
    keyboard = mei.page.keyboard
    mei.goes_to(f"/console/batches/new?partner={seller.partner_id}")

    mei.page.get_by_label("Product").focus()
    for typed in ("", "12", batch):
        keyboard.type(typed)
        keyboard.press("Tab")
    keyboard.press("Enter")
    mei.page.locator(".changes").wait_for()
    for _ in range(20):
        keyboard.press("Tab")
        if mei.page.evaluate("document.activeElement.textContent") == "Generate 12 tickets":
            break
    keyboard.press("Enter")
    mei.page.wait_for_url("**done=begun")
    mei.page.get_by_role("link", name="All 12").wait_for()

    assert seller.http.get(f"/api/ota/batches/{batch}").json()["made"] == 12


def test_a_ticket_is_found_and_cancelled_by_keyboard_alone(somebody: Somebody, seller: Seller) -> None:
    [code] = seller.tickets(1)
    mei = somebody("operations", signed_in=False)
    keyboard = mei.page.keyboard
    mei.goes_to("/console/sign-in")

    def tab_to(name: str) -> None:
        for _ in range(40):
            keyboard.press("Tab")
            if mei.page.evaluate("document.activeElement.textContent.trim()") == name:
                outline = mei.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", "the focus is not seen"
                return
        raise AssertionError(f"No Tab leads to {name!r}")

    # The browser moves the focus there when it has drawn the page.
    mei.page.locator("#name:focus").wait_for()
    keyboard.type(mei.name)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    mei.page.wait_for_url("**/console")
    tab_to("Tickets and orders")
    keyboard.press("Enter")
    mei.page.wait_for_url("**/console/tickets")
    mei.page.locator("#searched:focus").wait_for()
    keyboard.type(code)
    keyboard.press("Enter")
    mei.page.wait_for_url(f"**/{code}")
    tab_to("Cancel the ticket")
    keyboard.press("Enter")
    mei.page.wait_for_url("**/cancel")
    mei.page.locator("#reason:focus").wait_for()
    keyboard.type("The ferry did not sail")
    keyboard.press("Enter")
    mei.page.wait_for_url("**?done=cancelled")

    assert seller.http.get(f"/api/ota/tickets/{code}").json()["status"] == "CANCELLED"
    keyboard.press("Tab")
    assert mei.page.evaluate("document.activeElement.textContent") == "To the content"
