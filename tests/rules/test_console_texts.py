"""Each text for people in the console comes from its catalogue, so that a translation of the catalogue is one of the console.

A pseudo-language translates each text into one with marks around it. Whatever a page shows without marks must be data.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from browser.visitors import Visitor, visitor
from catalogue import POT, as_pot, catalogue
from gate.conftest import gate_of, unsold
from pyotp.totp import TOTP
from support.large import begun
from support.postgres import own_database
from support.pseudo_language import MARKED, names_in, translated_service
from support.shop import Seller, Shop, unique
from support.taking_back import cancel, cancel_batch, reissue

from premade.audit.events import CATALOGUE
from premade.console.auth import HALF_COOKIE
from premade.console.sections import SECTIONS
from premade.partners.keys import create_key, revoke_key
from premade.staff.session import TOKEN_BYTES

SHOWN_ATTRIBUTES = {"alt", "title", "aria-label", "data-label", "label", "placeholder"}
NO_PAGES = {"/console/tickets/{code}/qr.svg", "/console/batch/progress"}
"""A picture, and figures for a script."""
DATA = {
    "english", "繁體中文", "简体中文", "premade", "utc", "hkd", "john", "smith", "harbour", "cruise", "premium", "seller", "ferry", "gift", "tokens", "batch",
    "sun", "mon", "tue", "wed", "thu", "fri", "sat",
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sept", "oct", "nov", "dec",
    # Parts of codes, and names of API problems and formats.
    "rsv-", "cruise-yyyy-ferry-", "x-api-key", "post", "spring", "autumn", "program", "reception", "typed", "campaign", "root", "ota", "february",
    "admin", "operations", "finance", "gate", "until_first_use", "never", "making", "made", "stopped",
}  # fmt: skip
"""Words that pages show and nobody translates."""


class _Shown(HTMLParser):
    """What a page shows people: its texts, and attributes that a browser shows or reads aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_hidden = tag in {"script", "style", "textarea", "code", "q"}
        self.texts += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        if not self._is_hidden:
            self.texts.append(data)


def _is_data(word: str, names: set[str]) -> bool:
    plain = word.strip(".,;:()“”'\"?!=…·").lower()
    return (
        len(plain) <= 1
        # The name of a parameter.
        or (word.endswith(":") and word.islower())
        or plain in DATA | names
        or any(each.isdigit() or each in "_@:" for each in plain)
        or not any(each.isalpha() for each in plain)
    )


def untranslated(page: str, names: set[str]) -> list[str]:
    """The texts of a page that are neither translated nor data, and marks that a place does not show as they are."""
    parser = _Shown()
    parser.feed(page)
    found = []
    for text in parser.texts:
        words = MARKED.sub(" ", text).split()
        if not all(_is_data(word, names) for word in words):
            found.append(" ".join(text.split()))
    return found


class Crawler:
    """Looks at pages, and keeps what is not translated, by address."""

    def __init__(self, ann: Visitor, shop: Shop) -> None:
        self.ann = ann
        self.shop = shop
        self.faults: dict[str, list[str]] = {}
        self.seen: set[str] = set()

    def look(self, answer: httpx.Response, status: int = 200) -> str:
        """Check a page, and return its source."""
        path = answer.request.url.raw_path.decode()
        if answer.status_code != status:
            self.faults[f"{answer.request.method} {path} STATUS {answer.status_code} not {status}"] = [
                re.sub(r"<[^>]*>|\s+", " ", answer.text)[-600:]
            ]
        self.seen.add(answer.request.url.path)
        if found := untranslated(answer.text, names_in(self.shop)):
            self.faults[f"{answer.request.method} {path}"] = found
        return answer.text

    def gets(self, *paths: str, status: int = 200) -> None:
        for path in paths:
            self.look(self.ann.http.get(path), status)

    def sends(self, path: str, status: int = 200, /, **fields: str) -> None:
        """Send a form, and look at the page that answers it, or at the one that it leads to."""
        answer = self.ann.sends(path, **fields)
        if answer.is_redirect:
            answer = self.ann.http.get(answer.headers["Location"])
        self.look(answer, status)


@pytest.fixture(name="shop")
def _translated_shop(dsn: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop whose console is in the pseudo-language. Its database has no names and texts of other tests."""
    with own_database(dsn) as own, translated_service(own, tmp_path) as url:
        yield Shop(own, url)


@pytest.fixture
def crawler(shop: Shop) -> Iterator[Crawler]:
    """An admin of the console in the pseudo-language."""
    with visitor(shop, "admin") as ann:
        yield Crawler(ann, shop)


NONCE = "0" * 32


def look_at_tickets(crawler: Crawler, shop: Shop, seller: Seller) -> None:
    batch = unique("BATCH")
    codes = seller.tickets(60, batch_id=batch, metadata={"campaign": "spring"})
    order_id = seller.draw(batch, 3).json()["order_id"]
    seller.draw(batch, 1)
    reissue(seller, codes[0], "typed")
    cancel(seller, codes[1], "typed")
    making = begun(shop, seller, unique("MAKING"), 500)
    of_batch, of_making = (f"partner={seller.partner_id}&batch={each}" for each in (batch, making))
    ticket = f"/console/tickets/{codes[0]}"
    crawler.gets(
        "/console",
        f"/console?partner={seller.partner_id}&days=90",
        "/console/tickets",
        *(f"{ticket}?scanned={each}" for each in ("current", "replaced", "retired", "forged")),
        *(f"{ticket}?done={each}" for each in ("cancelled", "reissued")),
        f"/console/tickets/{codes[1]}",
        f"/console/tickets/{codes[2]}",
        f"{ticket}/cancel",
        f"{ticket}/reissue",
        f"/console/orders/{order_id}",
        f"/console/orders/{order_id}?done=cancelled",
        f"/console/orders/{order_id}/cancel",
        *(f"/console/orders/{order_id}/same/{each}" for each in ("email", "phone", "payment")),
        "/console/batches",
        "/console/batches?status=STOPPED&product=1",
        f"/console/batches?partner={seller.partner_id}",
        f"/console/batch?{of_batch}",
        f"/console/batch?{of_batch}&state=ACTIVE",
        f"/console/batch?{of_batch}&state=EXPIRED",
        *(f"/console/batch?{of_batch}&done={each}" for each in ("begun", "stopped", "cancelled")),
        f"/console/batch?{of_making}&done=begun",
        f"/console/batch/cancel?{of_batch}",
        f"/console/batch/cancel?{of_making}",
        f"/console/batch/stop?{of_making}",
        "/console/batches/new",
        f"/console/batches/new?partner={seller.partner_id}",
    )
    crawler.sends("/console/search", 404, searched="nothing like it")
    for change in ("cancel", "reissue"):
        crawler.sends(f"{ticket}/{change}", 400, reason="", once=NONCE)
    crawler.sends(f"{ticket}/cancel", reason="typed", once=NONCE)
    crawler.sends(f"{ticket}/cancel", 409, reason="typed", once=NONCE[:-1] + "1")
    new, fields = (
        f"/console/batches/new?partner={seller.partner_id}",
        {"partner": str(seller.partner_id), "product": str(seller.product_id), "batch": unique("BATCH")},
    )
    fields |= {"quantity": "2", "valid_until": "", "reservation": "", "metadata": "campaign: spring"}
    crawler.sends(new, step="preview", **fields)
    for wrong in ({"quantity": "0"}, {"quantity": "x"}, {"batch": "?"}, {"metadata": "typed"}, {"reservation": "x"},
                  {"valid_until": "2020-02-30"}, {"product": ""}):  # fmt: skip
        crawler.sends(new, 400, step="preview", **{**fields, **wrong})
    for refused in ({"quantity": "5000"}, {"batch": batch}, {"reservation": "RSV-1762274285982"}):
        crawler.sends(new, 409, step="preview", **{**fields, **refused})
    cancel_batch(seller, batch, "typed")
    crawler.gets(f"/console/batch?{of_batch}")


def look_at_stock(crawler: Crawler, shop: Shop, seller: Seller) -> None:
    reservation = seller.hold(2)
    product = f"/console/stock/products/{seller.product_id}"
    release = f"/console/stock/reservations/{reservation}/release"
    crawler.gets(
        "/console/stock",
        "/console/stock?find=nothing+like+it",
        f"/console/stock?find={seller.product_id}",
        *(f"{product}?done={each}" for each in ("added", "changed", "allotment", "released")),
        "/console/stock/new",
        f"{product}/change",
        f"{product}/allotment",
        f"{product}/allotment?channel={seller.channel}",
        release,
    )
    fields = {"id": str(seller.product_id), "name": "Harbour Cruise Premium", "price": "288.00", "currency": "HKD",
              "entitles": "ferry=2", "usable_days": "", "usable_until": "", "cancellation": "never", "type": "FERRY",
              "prefix": "CRUISE"}  # fmt: skip
    was = {f"was.{name}": text for name, text in fields.items()}
    crawler.sends("/console/stock/new", step="preview", **{**fields, "id": unique("")[1:]})
    crawler.sends("/console/stock/new", 409, step="preview", **fields)
    for wrong in ({"id": "x"}, {"name": ""}, {"price": "x"}, {"price": "1.234"}, {"currency": "X"}, {"entitles": "x"},
                  {"usable_days": "x"}, {"usable_until": "x"}, {"cancellation": "x"}, {"type": "1"}, {"prefix": "1"},
                  {"price": "-1"}, {"entitles": "ferry=0"}, {"usable_days": "999999"}, {"usable_until": "2020-01-01"},
                  {"usable_days": "1", "usable_until": "2030-01-01"}):  # fmt: skip
        crawler.sends("/console/stock/new", 400, step="preview", **{**fields, "id": "1", **wrong})
    functions = "/console/stock/functions"
    crawler.sends(f"{functions}/ferry", step="preview", **{"name.zh-Hant": "Ferry"})
    crawler.sends(f"{functions}/ferry", 400, step="preview", **{"name.en": "x" * 201})
    crawler.sends(f"{functions}/ferry", 409, step="save", version="?", **{"name.en": "Ferry"})
    crawler.sends(f"{functions}/ferry", step="save", version="{}", **{"name.en": "Ferry"})
    crawler.gets(functions)
    seller.tickets(1)
    changed = {"name": "Premium Cruise", "price": "300.00", "entitles": "gift=1", "usable_days": "2",
               "cancellation": "until_first_use", "type": "GIFT"}  # fmt: skip
    crawler.sends(f"{product}/change", step="preview", **{**fields, **was, **changed})
    crawler.sends(f"{product}/change", step="preview", **fields, **was)
    crawler.sends(f"{product}/change", 409, step="save", version="1", **{**fields, **was, **changed})
    allotment = f"{product}/allotment?channel={seller.channel}"
    for quantity, status in (("2000", 200), ("1000", 400), ("x", 400), ("-1", 400), ("0", 409)):
        crawler.sends(allotment, status, step="preview", channel=seller.channel, quantity=quantity)
    crawler.sends(allotment, 409, step="save", version="1", channel=seller.channel, quantity="2000")
    crawler.sends(f"{product}/allotment", step="preview", channel="ota", quantity="10")
    crawler.sends(f"{product}/allotment", 400, step="preview", channel="nowhere", quantity="10")
    crawler.sends(release)


def look_at_partners(crawler: Crawler, shop: Shop, seller: Seller) -> None:
    partner = f"/console/partners/{seller.partner_id}"
    shop.seller(is_test=True)
    gate_key = shop.operate(
        lambda database, runtime: create_key(database, runtime, partner=None, permissions=["gate:redeem"])
    ).id
    ended = shop.key(seller.name, ["tickets:read"]).id
    [device] = shop.sql(
        "INSERT INTO gate_devices (owner, device_id, state, registered_at, registered_by, last_used_at, last_used_by)"
        " VALUES (%s, 'GATE-1', 'UNAPPROVED', now(), %s, now(), %s) RETURNING gate_device_id",
        *3 * [f"key:{gate_key}"],
    )
    shop.operate(lambda database, runtime: revoke_key(database, runtime, ended))
    crawler.gets(
        "/console/partners",
        "/console/partners?find=nothing+like+it",
        "/console/partners/new",
        *(
            f"{partner}?done={each}"
            for each in ("added", "renamed", "limits", "disabled", "enabled", "revoked", "own-limits")
        ),
        f"{partner}/name",
        f"{partner}/limits",
        f"{partner}/rates",
        f"{partner}/disable",
        f"{partner}/keys/new",
        f"{partner}/keys/new?preset=sells",
        "/console/operator-keys",
        "/console/gate-devices",
        "/console/gate-devices?find=nothing+like+it",
        *(f"/console/gate-devices?done={each}" for each in ("approved", "revoked")),
        f"/console/gate-devices/{device['gate_device_id']}/revoke",
        f"/console/gate-devices/{device['gate_device_id']}/approve",
        "/console/operator-keys/new",
        f"/console/keys/{seller.key_id}/rotate",
        f"/console/keys/{seller.key_id}/revoke",
        f"/console/keys/{gate_key}/rotate",
        f"/console/keys/{gate_key}/revoke",
    )
    new = {"name": seller.name, "channel": "", "reservation-hours": "24"}
    crawler.sends("/console/partners/new", 409, **new)
    crawler.sends(
        "/console/partners/new", 409, **{**new, "name": unique("seller"), "test": "yes", "channel": "ota"}
    )
    for wrong in ({"name": ""}, {"channel": "?"}, {"reservation-hours": "x"}, {"reservation-hours": "0"}):
        crawler.sends("/console/partners/new", 400, **{**new, **wrong})
    for hours, status in (("12", 200), ("24", 200), ("0", 400), ("x", 400)):
        crawler.sends(f"{partner}/limits", status, step="preview", **{"reservation-hours": hours})
    crawler.sends(f"{partner}/limits", 409, step="save", version="1", **{"reservation-hours": "12"})
    for rate, status in (("600", 200), ("0", 200), ("", 200), ("x", 400)):
        crawler.sends(f"{partner}/rates", status, step="preview", **{"rate-read": rate})
    crawler.sends(f"{partner}/rates", 409, step="save", version="rate-read=1", **{"rate-read": "600"})
    crawler.sends(f"{partner}/rates", 200, step="save", version="", **{"rate-read": "600"})
    crawler.gets(partner)
    crawler.sends(f"{partner}/name", step="preview", name=f"{seller.name} 2")
    crawler.sends(f"{partner}/name", 400, step="preview", name="")
    crawler.sends(f"{partner}/name", 409, step="save", version="another name", name=f"{seller.name} 2")
    crawler.sends(f"{partner}/keys/new", 400, once=NONCE, expires="")
    crawler.sends(f"{partner}/keys/new", 400, once=NONCE, expires="x", **{"tickets:read": "yes"})
    crawler.sends(f"{partner}/keys/new", 400, once=NONCE, expires="2020-01-01", **{"tickets:read": "yes"})
    crawler.sends(f"{partner}/keys/new", once=NONCE, expires="2030-01-01", **{"tickets:read": "yes"})
    crawler.sends(
        "/console/operator-keys/new", once=NONCE[:-1] + "1", expires="", test="yes", **{"gate:redeem": "yes"}
    )
    change = f"/console/keys/{seller.key_id}/change"
    crawler.gets(change)
    crawler.sends(change, 400, step="preview", label="typed", network="typed")
    crawler.sends(change, step="preview", label="typed", network="203.0.113.0/24")
    crawler.sends(change, step="save", label="typed", network="203.0.113.0/24")
    crawler.sends(change, step="save", label="typed", network="")
    rotate = f"/console/keys/{seller.key_id}/rotate"
    crawler.sends(rotate, 400, overlap="x")
    crawler.sends(rotate, overlap="1h")
    crawler.gets(f"/console/keys/{seller.key_id}/revoke")
    crawler.sends(f"{partner}/disable")
    crawler.gets(f"{partner}/disable", "/console/partners")
    crawler.sends(f"{partner}/enable")
    crawler.sends(f"/console/keys/{gate_key}/revoke")


def look_at_people(crawler: Crawler, shop: Shop) -> None:
    name = unique("reception")
    crawler.gets("/console/staff", "/console/account", "/console/account?done=password")
    crawler.sends("/console/staff", 400, name="", role="x", password="short")
    crawler.sends("/console/staff", name=name, role="gate", password="three small ferries")
    crawler.sends("/console/staff", 409, name=name, role="gate", password="three small ferries")
    somebody = f"/console/staff/{name}"
    crawler.sends(f"{somebody}/role", role="finance")
    crawler.sends(f"{somebody}/role", 400, role="x")
    for weak in ("short", "aaaaaaaaaaaaaaaa", "abcdefghijklmnop", "password1234567"):
        crawler.sends(f"{somebody}/password", 400, password=weak)
    crawler.sends(f"{somebody}/password", password="three large ferries")
    crawler.sends(f"{somebody}/disable")
    crawler.gets("/console/staff")
    crawler.sends(f"{somebody}/enable")
    crawler.sends(f"{somebody}/reset-second-factor")
    second_factor = "/console/account/second-factor"
    crawler.gets(second_factor)
    crawler.sends(second_factor, 400, code="000000")
    [secret] = re.findall(r"<code[^>]*>([A-Z2-7]{32})</code>", crawler.ann.page(second_factor))
    done = crawler.ann.sends(second_factor, code=TOTP(secret).now())
    crawler.look(done)
    crawler.gets(second_factor)
    ann_id = crawler.ann.staff_id
    half = shop.runtime.random_bytes(TOKEN_BYTES).hex()
    shop.sql(
        "INSERT INTO staff_half_sign_ins SELECT sha256(%s::bytea), staff_id, password_digest, now() + interval '1 hour'"
        " FROM staff WHERE staff_id = %s",
        half.encode(),
        ann_id,
    )
    code_page = {"Cookie": f"{HALF_COOKIE}={half}"}
    crawler.look(crawler.ann.http.get("/console/sign-in/code", headers=code_page))
    crawler.look(crawler.ann.http.post("/console/sign-in/code", data={"code": "x"}, headers=code_page), 400)
    shop.sql("DELETE FROM staff_second_factors")
    crawler.look(crawler.ann.http.get("/console/sign-in/code", headers=code_page))
    crawler.sends("/console/account", 400, password="x", **{"new-password": "short"})
    crawler.look(crawler.ann.http.get("/console/sign-in", headers={"Cookie": ""}))
    for password in ("x", "three large ferries"):
        signing_in = {"name": name, "password": password, "next": "/console"}
        crawler.ann.http.post("/console/sign-in", data=signing_in, headers={"Cookie": ""})


def look_at_customers(crawler: Crawler, seller: Seller) -> None:
    email = f"{unique('mei')}@example.com"
    [code] = seller.tickets()
    order_id = seller.activate(code, email=email).json()["order_id"]
    crawler.gets("/console/customers", "/console/customers/erase", "/console/customers?done=erased")
    crawler.sends("/console/customers", email=email)
    for address in ("/console/customers", "/console/customers/erase"):
        crawler.sends(address, 400, email="typed")
    crawler.sends("/console/customers", 404, email=f"nobody.{email}")
    crawler.sends("/console/customers/erase", step="preview", email=email)
    crawler.sends("/console/customers/erase", step="save", email=email)
    crawler.gets(f"/console/orders/{order_id}", f"/console/tickets/{code}")


def look_at_the_rest(crawler: Crawler, shop: Shop, seller: Seller) -> None:
    gate = gate_of(shop, seller.name)
    [ticket, *_] = unsold(seller, 2)
    gate.redeem(ticket)
    gate.sync({"scan_id": "unreadable-1"})
    sold_out = shop.seller(stock=1)
    sold_out.tickets(1)
    assert sold_out.channel in crawler.look(crawler.ann.http.get(f"/console?partner={sold_out.partner_id}"))
    crawler.gets("/console", "/console?days=7", "/console/gate", "/console/gate/offline")
    crawler.gets(*(f"/console/audit?event={name}" for name in CATALOGUE))
    crawler.gets(f"/console/audit?partner={seller.partner_id}", "/console/audit?before=2020-01-02T00:00")
    for wrong in (
        "ticket=x",
        "order=x",
        "partner=x",
        "batch=?",
        "batch=B",
        "who=nobody",
        "event=x",
        "start=x",
    ):
        crawler.gets(f"/console/audit?{wrong}", status=400)
    crawler.gets(
        "/console/nowhere",
        "/console/partners/999999999",
        f"/console/stock/products/1{seller.product_id}"[:40],
        status=404,
    )
    crawler.gets("/console?days=x", "/console/batches?status=x", "/console/batches?partner=x", status=400)
    crawler.look(crawler.ann.http.post("/console/staff", data={}), 403)


def test_every_page_is_translated(crawler: Crawler, shop: Shop, seller: Seller) -> None:
    look_at_tickets(crawler, shop, seller)
    look_at_stock(crawler, shop, seller)
    look_at_partners(crawler, shop, seller)
    look_at_people(crawler, shop)
    look_at_customers(crawler, seller)
    look_at_the_rest(crawler, shop, seller)

    assert '<html lang="de">' in crawler.ann.page("/console")
    faults = [f"{address}: {text}" for address, texts in crawler.faults.items() for text in texts]
    assert not faults, "\n".join(faults)
    pages = {page.path for section in SECTIONS for pages in section.pages for page in pages if page.show}
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in pages - NO_PAGES}
    assert {
        path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, crawler.seen))
    } == set()


def test_the_catalogue_in_the_repository_has_every_text() -> None:
    assert POT.read_text() == as_pot(catalogue()), "Write it with: make messages"
