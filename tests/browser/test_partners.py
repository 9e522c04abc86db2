"""Partners in the console: adding and stopping them, their keys, and the operator's own. A key is shown once."""

import re
import time
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
import pytest
from browser.barriers import barriers_of
from browser.conftest import Person, Somebody
from browser.visitors import rows_of, text_of, visitor
from gate.conftest import Gate, sold
from playwright.sync_api import Error as PlaywrightError
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import Seller, Shop, unique

from premade.partners.keyring import KEY_CACHE_SECONDS
from premade.staff.role import Role
from premade.texts.formats import day_in_year

OWN = {"Sec-Fetch-Site": "same-origin"}
STOPS_SECONDS_MAX = KEY_CACHE_SECONDS + 3
# As many as make sure that each of the workers has answered.
EVERY_WORKER = 12


def address(seller: Seller, more: str = "") -> str:
    return f"/console/partners/{seller.partner_id}{more}"


def press(person: Person, name: str) -> None:
    person.page.get_by_role("button", name=name, exact=True).click()


def notice(person: Person) -> str:
    return person.page.locator(".notice").inner_text()


def sent(person: Person, path: str, **fields: str) -> httpx.Response:
    """The form of a page, as a program sends it with their cookie."""
    with person.as_client() as client:
        return client.post(path, data={"form_token": person.form_token(), **fields}, headers=OWN)


def shown_key(person: Person) -> str:
    key = person.page.locator(".secret").inner_text()
    assert re.fullmatch(r"pm_(live|test)_\w{10}_\w{40}", key)
    return key


def statuses(shop: Shop, key: str, path: str = "/api/ota/inventory") -> set[int]:
    """What the workers answer to the key, each request over a connection of its own."""
    with httpx.Client(
        base_url=shop.url,
        headers={"X-API-Key": key, "Connection": "close"},
        trust_env=False,
        verify=NO_TLS,
    ) as client:
        return {client.get(path).status_code for _ in range(EVERY_WORKER)}


def stops(shop: Shop, key: str) -> None:
    deadline = time.monotonic() + STOPS_SECONDS_MAX
    while (found := statuses(shop, key)) != {401}:
        assert time.monotonic() < deadline, found


def event_of(person: Person, event: str) -> dict[str, Any]:
    [told] = [each for each in person.events(event) if each["actor"] == f"staff:{person.staff_id}"]
    return told


def test_a_partner_is_added_and_begins_with_a_key(somebody: Somebody, shop: Shop) -> None:
    ann, name = somebody("admin"), f"{unique('Trip')} & 旅行 <b>"
    ann.goes_to("/console/partners")
    ann.page.get_by_role("link", name="Add a partner").click()
    assert barriers_of(ann.page) == []

    ann.page.get_by_label("Name", exact=True).fill(name)
    ann.page.get_by_label("Reservation time in hours").fill("48")
    press(ann, "Add")

    assert ann.heading.endswith(name)
    [partner] = shop.sql("SELECT * FROM partners WHERE name = %s", name)
    assert (partner["channel"], partner["is_test"], partner["reservation_hours_max"]) == ("ota", False, 48)
    assert event_of(ann, "partner.added")["partner_id"] == partner["partner_id"]
    ann.page.get_by_role("link", name="Create a key").click()
    ann.page.get_by_label("see products and stock").check()
    press(ann, "Create the key")
    assert statuses(shop, shown_key(ann)) == {200}


@pytest.mark.nightly
def test_a_test_partner_gets_test_keys_and_a_channel_of_its_own(somebody: Somebody, shop: Shop) -> None:
    ann, name = somebody("admin"), unique("Trip Test")
    ann.goes_to("/console/partners/new")
    ann.page.get_by_label("Name", exact=True).fill(name)
    ann.page.get_by_label("Test partner").check()
    ann.page.get_by_label("Channel").fill("ota")
    press(ann, "Add")
    assert "of the other kind" in ann.page.locator("#channel-wrong").inner_text()
    assert ann.page.get_by_label("Test partner").is_checked()
    assert barriers_of(ann.page) == []

    ann.page.get_by_label("Channel").fill("")
    press(ann, "Add")

    assert ann.page.locator("h1 .tag").inner_text() == "test"
    assert f"test-{name.lower().replace(' ', '-')}" in ann.page.inner_text("dl")
    ann.page.get_by_role("link", name="Create a key").click()
    ann.page.get_by_label("see products and stock").check()
    press(ann, "Create the key")
    assert shown_key(ann).startswith("pm_test_")
    ann.goes_to(f"/console/partners?find={name}")
    assert ann.page.locator("tbody .tag").inner_text() == "test"
    assert ann.page.locator("tbody td[data-label='Working keys']").inner_text() == "1"


def test_a_key_is_shown_once_and_stands_nowhere(
    somebody: Somebody, shop: Shop, seller: Seller, service: Service
) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller, "/keys/new"))
    assert barriers_of(ann.page) == []
    ann.page.get_by_label("see its tickets and batches").check()
    ann.page.get_by_label("see products and stock").check()
    ann.page.get_by_label("Last day of validity").fill("2099-12-31")
    with ann.page.expect_response(lambda answer: answer.request.method == "POST") as made:
        press(ann, "Create the key")
    key, path = shown_key(ann), ann.path
    assert barriers_of(ann.page) == []

    assert made.value.headers["cache-control"] == "private, no-store"
    assert path == address(seller, "/keys/new")
    assert statuses(shop, key) == {200}
    assert statuses(shop, key, "/api/ota/orders") == {403}
    # By reload: the same form is sent again.
    ann.page.reload()
    assert "cannot be shown again" in ann.heading
    assert key not in ann.page.content()
    # By going back to where it was shown.
    ann.goes_to(address(seller))
    shown = ann.page.get_by_role("row").filter(has_text=key[:18])
    assert "inventory:read, tickets:read" in shown.inner_text()
    assert "1 Jan 2100, 00:00" in shown.inner_text()
    with pytest.raises(PlaywrightError, match="ERR_CACHE_MISS"):
        ann.page.go_back()

    keys = shop.sql("SELECT * FROM api_keys WHERE partner_id = %s ORDER BY key_id", seller.partner_id)
    assert len(keys) == 2
    assert event_of(ann, "key.created")["data"]["key_id"] == keys[1]["key_id"]
    secret = key.rpartition("_")[2]
    tables = [
        row["name"]
        for row in shop.sql(
            "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    for table in tables:
        assert shop.sql(f"SELECT FROM {table} AS t WHERE t::text LIKE %s", f"%{secret}%") == []
    assert secret not in service.log.read_text()


@pytest.mark.nightly
def test_a_key_is_rotated_with_an_overlap(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller))
    ann.page.get_by_role("link", name=f"Rotate key {seller.key_id}").click()
    ann.page.get_by_label("Time for which both keys work").fill("a while")
    press(ann, "Create the second key")
    assert "24h or 7d" in ann.page.locator("#overlap-wrong").inner_text()
    assert barriers_of(ann.page) == []

    ann.page.get_by_label("Time for which both keys work").fill("24h")
    press(ann, "Create the second key")

    second = shown_key(ann)
    assert f"Key {seller.key_id}" in ann.page.inner_text("dl")
    assert statuses(shop, seller.key) | statuses(shop, second) == {200}
    [old, new] = shop.sql("SELECT * FROM api_keys WHERE partner_id = %s ORDER BY key_id", seller.partner_id)
    assert 23 < (old["expires_at"] - datetime.now(UTC)).total_seconds() / 3600 <= 24
    assert (new["rotated_from"], new["permissions"]) == (old["key_id"], old["permissions"])
    assert event_of(ann, "key.rotated")["data"]["overlap_seconds"] == 86_400
    ann.page.reload()
    assert second not in ann.page.content()
    ann.goes_to(address(seller))
    assert ann.page.get_by_role("link", name=f"Rotate key {seller.key_id}").count() == 0
    assert sent(ann, f"/console/keys/{seller.key_id}/rotate", overlap="1h").status_code == 409

    ann.goes_to(f"/console/keys/{new['key_id']}/rotate")
    ann.page.get_by_label("Time for which both keys work").fill("0s")
    press(ann, "Create the second key")
    [ended] = shop.sql("SELECT * FROM api_keys WHERE key_id = %s", new["key_id"])
    assert ended["expires_at"] <= datetime.now(UTC)


@pytest.mark.nightly
def test_revoking_says_what_stops_and_when_it_was_last_used(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    used = seller.http.get("/api/ota/inventory")
    unused = shop.key(seller.name, ["inventory:read"])
    ann = somebody("admin")
    ann.goes_to(f"/console/keys/{unused.id}/revoke")
    assert "never used" in ann.page.inner_text("main")
    ann.goes_to(address(seller))
    assert barriers_of(ann.page) == []
    ann.page.get_by_role("link", name=f"Revoke key {seller.key_id}").click()
    asked = ann.page.inner_text("main")
    for told in ("tickets:activate", f"last used {day_in_year(datetime.now(UTC))}", "Within 2 seconds"):
        assert told in asked
    assert barriers_of(ann.page) == []
    assert used.status_code == 200

    press(ann, "Revoke")

    assert "Revoked" in notice(ann)
    stops(shop, seller.key)
    assert statuses(shop, unused.key) == {200}
    assert event_of(ann, "key.revoked")["data"] == {"key_id": seller.key_id}
    # Sent again it changes nothing and leaves no second event.
    assert sent(ann, f"/console/keys/{seller.key_id}/revoke").status_code == 303
    assert event_of(ann, "key.revoked")


@pytest.mark.nightly
def test_a_partner_is_disabled_and_enabled(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    assert statuses(shop, seller.key) == {200}
    ann = somebody("admin")
    ann.goes_to(address(seller))
    ann.page.get_by_role("link", name="Disable the partner").click()
    asked = ann.page.inner_text("main")
    assert f"Key {seller.key_id}" in asked
    assert f"last used {day_in_year(datetime.now(UTC))}" in asked
    assert barriers_of(ann.page) == []

    press(ann, "Disable")

    assert "Disabled" in notice(ann)
    stops(shop, seller.key)
    assert sent(ann, address(seller, "/disable")).status_code == 303
    assert event_of(ann, "partner.disabled")["partner_id"] == seller.partner_id
    press(ann, "Enable the partner")
    assert "Enabled" in notice(ann)
    deadline = time.monotonic() + STOPS_SECONDS_MAX
    while (found := statuses(shop, seller.key)) != {200}:
        assert time.monotonic() < deadline, found
    assert event_of(ann, "partner.enabled")["partner_id"] == seller.partner_id


@pytest.mark.nightly
def test_the_limit_of_holding_stock_is_changed(somebody: Somebody, seller: Seller) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller))
    ann.page.get_by_role("link", name="Edit", exact=True).click()
    ann.page.get_by_label("Reservation time in hours").fill("8761")
    press(ann, "Preview")
    assert "1 to 8760" in ann.page.locator(".wrong").inner_text()
    assert barriers_of(ann.page) == []

    ann.page.get_by_label("Reservation time in hours").fill("1")
    press(ann, "Preview")
    assert "168\t1" in ann.page.locator(".changes").inner_text()
    assert barriers_of(ann.page) == []
    press(ann, "Save")

    assert "1 hour at most" in ann.page.inner_text("dl")
    assert seller.reserve(1, expires_at="2099-01-01T00:00:00Z").status_code == 400
    assert event_of(ann, "partner.changed")["data"] == {"reservation_hours_max": 1, "client_ip": "127.0.0.1"}


@pytest.mark.nightly
def test_the_operator_s_own_keys_open_gates_of_every_partner(
    somebody: Somebody, shop: Shop, seller: Seller
) -> None:
    [code] = seller.tickets(1)
    seller.activate(code)
    ann = somebody("admin")
    ann.goes_to("/console/partners")
    assert barriers_of(ann.page) == []
    ann.page.get_by_role("link", name="The operator's own keys").click()
    ann.page.get_by_role("link", name="Create a key").click()
    assert ann.page.get_by_role("group", name="Test mode").count() == 1
    assert ann.page.locator("fieldset").first.get_by_role("checkbox").count() == 2
    ann.page.get_by_label("redeem at a gate").check()
    press(ann, "Create the key")
    key = shown_key(ann)

    with shop.client(key) as gate:
        snapshot = gate.get("/api/gate/snapshot").text
    assert code in snapshot
    ann.page.get_by_role("link", name="I have copied it").click()
    assert barriers_of(ann.page) == []
    ann.page.get_by_role("row").filter(has_text=key[:18]).get_by_text("Revoke").click()
    press(ann, "Revoke")
    assert ann.path == "/console/operator-keys?done=revoked"
    assert event_of(ann, "key.revoked")["partner_id"] is None


def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_made(shop: Shop, seller: Seller) -> None:
    path, once, name = address(seller, "/keys/new"), "0" * 32, unique("nobody")
    good, new = {"once": once, "tickets:read": "yes"}, {"name": name, "reservation-hours": "1"}

    with visitor(shop, "admin") as ann:

        def wrong(path: str, **fields: str) -> tuple[int, list[str]]:
            answer = ann.sends(path, **fields)
            return answer.status_code, re.findall(r'class="wrong" id="([^"]*)-wrong"', answer.text)

        assert wrong(path, once=once) == (400, ["permission"])
        assert wrong(path, **{"once": once, "king:reign": "yes"}) == (400, ["permission"])
        for expires in (
            "yesterday",
            "2020-01-01",
            "9999-12-31",
            "9999-12-31T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "\0",
            "9" * 5000,
        ):
            assert wrong(path, **good, expires=expires) == (400, ["expires"]), expires
        assert wrong(path, **{**good, "once": "x"}) == (403, [])
        assert wrong("/console/operator-keys/new", **good) == (400, ["permission"])
        for hours in ("0", "8761", "x", "9" * 5000):
            fields = {**new, "reservation-hours": hours}
            assert wrong("/console/partners/new", **fields) == (400, ["reservation-hours"])
            assert wrong(address(seller, "/limits"), **fields) == (400, ["reservation-hours"])
        for bad in ("", " ", "a\0b", "a" * 201):
            assert wrong("/console/partners/new", **{**new, "name": bad}) == (400, ["name"])
        assert wrong("/console/partners/new", **{**new, "name": seller.name}) == (409, ["name"])
        assert wrong("/console/partners/new", **new, channel="Not A Channel") == (400, ["channel"])
        for overlap in ("", "0", "9" * 5000 + "d", "\0"):
            assert wrong(f"/console/keys/{seller.key_id}/rotate", overlap=overlap) == (400, ["overlap"])
        for given in ("0", "9" * 18, "9" * 400, "x", "%00", "٣"):
            assert ann.status(f"/console/partners/{given}") == 404
            assert ann.status(f"/console/keys/{given}/revoke") == 404

    assert shop.sql("SELECT FROM partners WHERE name = %s", name) == []
    assert len(shop.sql("SELECT FROM api_keys WHERE partner_id = %s", seller.partner_id)) == 1


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.nightly(but_first=True)
def test_partners_are_for_those_whose_role_has_them(shop: Shop, seller: Seller, role: Role) -> None:
    may_see, may_manage = role is not Role.GATE, role is Role.ADMIN
    seen = ["/console/partners", address(seller), "/console/operator-keys"]
    managing = [
        "/console/partners/new",
        *(address(seller, more) for more in ("/limits", "/disable", "/keys/new")),
        "/console/operator-keys/new",
        f"/console/keys/{seller.key_id}/rotate",
        f"/console/keys/{seller.key_id}/revoke",
    ]
    fields = {"once": "0" * 32, "overlap": "1h", "reservation-hours": "1", "name": unique("mine")}
    fields |= {"gate:redeem": "yes"}
    posts = [*managing, address(seller, "/enable")]

    with visitor(shop, role) as who:
        served = {path: who.status(path) for path in [*seen, *managing]}
        linked = 'href="/console/partners"' in who.page("/console/account")
        shown = "".join(who.page(path) for path in seen) if may_see else ""
        written = {} if may_manage else {path: who.sends(path, **fields).status_code for path in posts}

    assert served == dict.fromkeys(seen, 200 if may_see else 403) | dict.fromkeys(
        managing, 200 if may_manage else 403
    )
    assert written == ({} if may_manage else dict.fromkeys(posts, 403))
    assert linked == may_see
    assert [path for path in managing if f'href="{path}"' in shown] == (managing if may_manage else [])
    assert (seller.key.split("_")[2] in shown) == may_see
    assert seller.key.rpartition("_")[2] not in shown
    [partner] = shop.sql("SELECT * FROM partners WHERE partner_id = %s", seller.partner_id)
    assert (partner["disabled_at"], partner["reservation_hours_max"]) == (None, 168)
    assert len(shop.sql("SELECT FROM api_keys WHERE partner_id = %s", seller.partner_id)) == 1


def test_partners_are_found_and_come_in_pages(shop: Shop) -> None:
    start, channel = unique("Crowd"), shop.seller().channel
    shop.sql(
        "INSERT INTO partners (name, name_key, channel, created_at) "
        "SELECT %s || ' ' || lpad(n::text, 2, '0'), lower(%s) || lpad(n::text, 2, '0'), %s, now() "
        "FROM generate_series(1, 26) AS n",
        start,
        start,
        channel,
    )

    with visitor(shop, "finance") as finance:
        first = finance.page(f"/console/partners?find={start.upper()}")
        [following] = re.findall(r'href="([^"]*)" rel="next"', first)
        second = finance.page(unescape(following))
        assert start in finance.page(f"/console/partners?find={channel}")
        assert "No partner found" in finance.page("/console/partners?find=nobody%00%FF")
        assert finance.status("/console/partners?cursor=nonsense") == 400

    found = [re.findall(rf"{start} (\d\d)", page) for page in (first, second)]
    assert found == [[f"{number:02}" for number in range(1, 26)], ["26"]]


@pytest.mark.nightly
def test_a_key_is_made_by_keyboard_alone(somebody: Somebody, shop: Shop, seller: Seller) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller, "/keys/new"))
    keyboard = ann.page.keyboard
    ann.page.get_by_label("see products and stock").focus()

    keyboard.press("Space")
    keyboard.press("Enter")
    ann.page.wait_for_selector(".secret")

    assert statuses(shop, shown_key(ann)) == {200}
    keyboard.press("Tab")
    assert ann.page.evaluate("document.activeElement.textContent") == "To the content"


@pytest.mark.nightly
def test_a_key_of_the_operator_can_be_for_test_mode(somebody: Somebody, shop: Shop) -> None:
    ann, trial = somebody("admin"), shop.seller(is_test=True)
    [ticket] = sold(trial)
    ann.goes_to("/console/operator-keys/new")
    ann.page.get_by_label("For trying out gates").check()
    press(ann, "Create the key")
    assert "permission-wrong" in ann.page.content()
    assert ann.page.get_by_label("For trying out gates").is_checked(), "kept while the form is mended"
    ann.page.locator("[name='gate:redeem']").check()
    assert barriers_of(ann.page) == []

    press(ann, "Create the key")

    key = shown_key(ann)
    assert key.startswith("pm_test_")
    assert "admits test tickets only" in ann.page.inner_text("dl")
    gate = Gate(shop.client(key), unique("GATE"), 0)
    assert gate.redeem(ticket).status_code == 200
    ann.goes_to("/console/operator-keys")
    assert key[:18] in ann.page.get_by_role("row").filter(has_text=key[8:18]).inner_text()
    ann.page.locator("a[href*=rotate]").first.click()
    ann.page.get_by_label("Time for which both keys work").fill("1h")
    press(ann, "Create the second key")
    assert "admits test tickets only" in ann.page.inner_text("dl")


def test_a_key_of_a_partner_has_no_test_mode_of_its_own(somebody: Somebody, seller: Seller) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller, "/keys/new"))
    assert ann.page.get_by_label("For trying out gates").count() == 0
    answer = sent(
        ann, address(seller, "/keys/new"), **{"once": "0" * 32, "tickets:read": "yes", "test": "yes"}
    )
    assert re.search("pm_live_", answer.text)


def created_key(response: httpx.Response) -> str:
    """Return the key that the response shows."""
    assert response.status_code == httpx.codes.OK, text_of(response.text)
    [key] = re.findall(r'<p class="secret code"[^>]*>(pm_(?:live|test)_\w{10}_\w{40})</p>', response.text)
    return key


def test_a_form_adds_a_test_partner_with_test_keys_and_a_channel_of_its_own(shop: Shop) -> None:
    name = unique("trip-test")
    partner = {"name": name, "test": "yes", "reservation-hours": "1"}
    with visitor(shop, "admin") as ann:
        other_kind = ann.sends("/console/partners/new", **partner, channel="ota")
        added = ann.sends("/console/partners/new", **partner, channel="")
        path = added.headers["location"].partition("?")[0]
        key = created_key(ann.sends(f"{path}/keys/new", **{"once": "0" * 32, "inventory:read": "yes"}))

    assert (other_kind.status_code, 'id="channel-wrong"' in other_kind.text) == (409, True)
    [row] = shop.sql("SELECT is_test, channel FROM partners WHERE name = %s", name)
    assert row == {"is_test": True, "channel": f"test-{name}"}
    assert key.startswith("pm_test_")
    with shop.client(key) as client:
        assert client.get("/api/ota/inventory").status_code == 200


def test_a_form_rotates_a_key_once(shop: Shop, seller: Seller) -> None:
    path = f"/console/keys/{seller.key_id}/rotate"
    with visitor(shop, "admin") as ann:
        second = created_key(ann.sends(path, overlap="24h"))
        assert second not in ann.page(address(seller))
        assert ann.sends(path, overlap="1h").status_code == 409
        [event] = ann.events("key.rotated")
    assert event["data"]["overlap_seconds"] == 86_400
    for key in (seller.key, second):
        with shop.client(key) as client:
            assert client.get("/api/ota/inventory").status_code == 200
    [old, new] = shop.sql("SELECT * FROM api_keys WHERE partner_id = %s ORDER BY key_id", seller.partner_id)
    assert 23 < (old["expires_at"] - datetime.now(UTC)).total_seconds() / 3600 <= 24
    assert (new["rotated_from"], new["permissions"]) == (old["key_id"], old["permissions"])


def test_forms_disable_and_enable_a_partner(shop: Shop, seller: Seller) -> None:
    def is_disabled() -> bool:
        [row] = shop.sql("SELECT disabled_at FROM partners WHERE partner_id = %s", seller.partner_id)
        return row["disabled_at"] is not None

    with visitor(shop, "admin") as ann:
        assert f"Key {seller.key_id}" in text_of(ann.page(address(seller, "/disable")))
        for _ in range(2):
            assert ann.sends(address(seller, "/disable"), step="save").status_code == 303
        assert is_disabled()
        assert ann.sends(address(seller, "/enable")).status_code == 303
        assert not is_disabled()
        events = [*ann.events("partner.disabled"), *ann.events("partner.enabled")]
    assert [event["partner_id"] for event in events] == [seller.partner_id] * 2


def test_a_form_changes_the_reservation_time_unless_somebody_else_has(shop: Shop, seller: Seller) -> None:
    path, form = address(seller, "/limits"), {"reservation-hours": "1"}
    with visitor(shop, "admin") as ann:
        preview = ann.sends(path, **form, step="preview")
        assert [row[1:] for row in rows_of(preview.text)] == [["168", "1"]]
        stale = ann.sends(path, **form, step="save", version="100")
        assert (stale.status_code, "Somebody else changed the limits" in stale.text) == (409, True)
        assert ann.events("partner.changed") == []
        assert ann.sends(path, **form, step="save", version="168").status_code == 303
        [event] = ann.events("partner.changed")
    assert event["data"] == {"reservation_hours_max": 1, "client_ip": "127.0.0.1"}
    assert seller.reserve(1, expires_at="2099-01-01T00:00:00Z").status_code == 400


@pytest.mark.parametrize("is_test", [False, True], ids=["live", "test mode"])
def test_a_form_creates_a_key_of_the_operator_for_gates_of_its_kind(shop: Shop, *, is_test: bool) -> None:
    path, mode = "/console/operator-keys/new", {"test": "yes"} if is_test else {}
    permissions = {"gate:redeem": "yes", "gate:snapshot": "yes"}
    tickets = {kind: sold(shop.seller(is_test=kind))[0] for kind in (False, True)}
    with visitor(shop, "admin") as ann:
        # A key of the operator sells nothing.
        unfit = ann.sends(path, **mode, **{"once": "1" * 32, "tickets:activate": "yes"})
        assert (unfit.status_code, 'id="permission-wrong"' in unfit.text) == (400, True)
        key = created_key(ann.sends(path, once="0" * 32, **mode, **permissions))

    assert key.startswith("pm_test_" if is_test else "pm_live_")
    gate = Gate(shop.client(key), unique("GATE"), 0)
    assert gate.redeem(tickets[is_test]).status_code == 200
    assert gate.redeem(tickets[not is_test]).status_code == 409
    snapshot = gate.http.get("/api/gate/snapshot").text
    assert (tickets[is_test].code in snapshot, tickets[not is_test].code in snapshot) == (True, False)


def test_a_partner_is_renamed_and_the_record_has_its_old_name(shop: Shop, seller: Seller) -> None:
    other, new = shop.seller(), unique("Blue Travel")
    page = address(seller, "/name")

    with visitor(shop, "admin") as ann:
        taken = ann.sends(page, step="save", version=seller.name, name=other.name)
        preview = ann.sends(page, step="preview", name=new)
        saved = ann.sends(page, step="save", version=seller.name, name=new)
        late = ann.sends(page, step="save", version=seller.name, name=f"{new} 2")
        shown = ann.page(address(seller))

    assert (taken.status_code, preview.status_code, saved.status_code) == (409, 200, 303)
    assert f"{new} 2" not in shown
    assert new in shown
    assert "Somebody else renamed the partner meanwhile." in late.text
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'partner.renamed' AND partner_id = %s", seller.partner_id
    )
    assert event["data"]["before"] == seller.name


def test_a_preset_chooses_permissions_and_a_note_is_ready_for_the_developer(
    somebody: Somebody, seller: Seller
) -> None:
    ann = somebody("admin")
    ann.goes_to(address(seller, "/keys/new"))
    ann.page.get_by_role("link", name="Reads").click()
    assert ann.page.locator("input[type=checkbox]:checked").evaluate_all("all => all.map((each) => each.name)") == [
        "tickets:read", "inventory:read", "orders:read",
    ]  # fmt: skip
    press(ann, "Create the key")
    key = shown_key(ann)
    ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    ann.page.get_by_role("button", name="Copy the key").click()
    ann.page.get_by_role("button", name="Copied").wait_for()
    assert ann.page.evaluate("navigator.clipboard.readText()") == key
    ann.page.get_by_role("button", name="Copy the note").click()
    ann.page.get_by_role("button", name="Copied").nth(1).wait_for()
    note = ann.page.evaluate("navigator.clipboard.readText()")

    assert key not in note
    assert f"{ann.shop.url}/docs" in note
    assert "inventory:read, orders:read, tickets:read" in note
    assert barriers_of(ann.page) == []
