"""Who may do what: docs/authorisation.md lists every operation, page and other address, and the service does as it says."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from browser.visitors import Visitor, visitor
from fastapi.routing import APIRoute
from starlette.routing import Route
from support.gate import gate_client
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import Seller, Shop, sale, unique

from premade.app import FEATURES, make_app
from premade.console.csrf import FORM_TOKEN
from premade.console.gate.pages import FORM_TOKEN_HEADER
from premade.console.routing import Page
from premade.console.sections import SECTIONS
from premade.http.endpoint import _Signature  # pyright: ignore[reportPrivateUsage]
from premade.partners.permission import PERMISSIONS
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings
from premade.staff.role import RIGHTS, Right, Role
from premade.staff.session import form_token

DOCUMENT = Path(__file__).parents[2] / "docs" / "authorisation.md"
NO_DATABASE = "postgresql://nowhere/premade"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
YES, NO = "yes", "–"


# --- The document ---


@cache
def rows_of(title: str) -> dict[str, list[str]]:
    """The rows of the table below a title, by their first cell."""
    section = DOCUMENT.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells[2:]}


def operations() -> dict[str, str]:
    """The permission that each operation of the API declares."""
    return {
        f"{method} {route.path}": _Signature(route.endpoint).admit["call"][1].scopes[0]
        for feature in FEATURES
        for router in feature.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def pages() -> dict[str, Page]:
    """The pages and forms of the registry."""
    return {
        f"{method} {page.path}": page
        for section in SECTIONS
        for module in section.pages
        for page in module
        for method, handler in (("GET", page.show), ("POST", page.send))
        if handler is not None
    }


def all_routes() -> set[str]:
    gateway = make_app(Settings(database_url=NO_DATABASE), Runtime(ZoneInfo("UTC")))
    app: Any = getattr(gateway, "_app")  # noqa: B009  (a private member, for its routes)
    return {
        f"{method} {route.path}"
        for route in app.router.routes
        if isinstance(route, Route | APIRoute)
        for method in (route.methods or set[str]()) - {"HEAD"}
    }


def test_each_address_of_the_service_is_in_one_table() -> None:
    api, console, others = (
        rows_of(title) for title in ("Operations of the API", "Pages and forms", "Other addresses")
    )
    # A form on another page: GET leads to the first page.
    forms_only = {f"GET {page.path}" for page in pages().values() if page.show is None}

    assert all_routes() - forms_only == {*api, *console, *others}
    assert len(api) + len(console) + len(others) == len({*api, *console, *others})


def test_the_tables_name_the_permissions_and_rights_of_the_code() -> None:
    assert {name: row[0] for name, row in rows_of("Operations of the API").items()} == operations()
    assert {name: row[0] for name, row in rows_of("Pages and forms").items()} == {
        name: page.right or "signed in" for name, page in pages().items()
    }
    for name, row in rows_of("Pages and forms").items():
        right = pages()[name].right
        may = [YES if right is None or right in RIGHTS[role] else NO for role in Role]
        assert row[1:] == may, name


# --- The API ---


@dataclass(frozen=True)
class Subject:
    """What belongs to one partner, fresh for each request, so that a request that is allowed can also change it."""

    seller: Seller
    batch_id: str
    code: str
    sold: str
    order_id: str
    reservation_id: str
    qr: str

    @property
    def marks(self) -> set[str]:
        """Texts that show this partner's data."""
        return {self.batch_id, self.code, self.sold, self.order_id, self.reservation_id, self.seller.name}


Body = Callable[[Subject], dict[str, Any]]
BODIES: dict[str, Body] = {
    "POST /api/ota/tickets/bulk-generate": lambda of: {
        "product_id": of.seller.product_id, "quantity": 1, "batch_id": unique("B"),
    },
    "POST /api/ota/tickets/{code}/activate": lambda _: sale(),
    "POST /api/ota/batches/{batch_id}/activate": lambda _: {**sale(), "quantity": 1},
    "POST /api/ota/orders": lambda of: {**sale(), "ticket_codes": [of.code]},
    "POST /api/ota/tickets/{code}/cancel": lambda _: {"reason": "matrix"},
    "POST /api/ota/orders/{order_id}/cancel": lambda _: {"reason": "matrix"},
    "POST /api/ota/batches/{batch_id}/cancel": lambda _: {"reason": "matrix"},
    "POST /api/ota/tickets/{code}/reissue": lambda _: {"reason": "matrix"},
    "POST /api/ota/reservations": lambda of: {"product_id": of.seller.product_id, "quantity": 1},
    "POST /api/gate/redemptions": lambda of: {
        "qr": of.qr, "function_code": "ferry", "device_id": "GATE-1", "scan_id": str(uuid4()),
    },
    "POST /api/gate/redemptions/sync": lambda of: {
        "device_id": "GATE-1",
        "redemptions": [
            {"qr": of.qr, "function_code": "ferry", "scan_id": str(uuid4()), "scanned_at": "2026-01-01T00:00:00Z"}
        ],
    },
    "POST /api/gate/inspect": lambda of: {"qr": of.qr, "device_id": "GATE-1"},
}  # fmt: skip


def call(http: httpx.Client, operation: str, of: Subject) -> httpx.Response:
    method, path = operation.split(" ")
    address = path.format(
        code=of.code, batch_id=of.batch_id, order_id=of.order_id, reservation_id=of.reservation_id
    )
    body = BODIES[operation](of) if operation in BODIES else None
    return http.request(method, address, json=body)


@dataclass(frozen=True)
class Keys:
    """Clients with each kind of key."""

    shop: Shop
    seller: Seller
    other: Seller
    of_test_partner: Seller
    operator: httpx.Client
    refused: dict[str, httpx.Client]


@pytest.fixture(scope="module")
def keys(dsn: str, service: Service) -> Keys:
    shop = Shop(dsn, service.url)
    everything = list(PERMISSIONS)
    seller = shop.seller(permissions=everything)
    revoked, expired = (shop.key(seller.name, everything) for _ in range(2))
    shop.sql("UPDATE api_keys SET revoked_at = now() WHERE key_id = %s", revoked.id)
    shop.sql("UPDATE api_keys SET expires_at = now() - interval '1 minute' WHERE key_id = %s", expired.id)
    refused = {
        "no key": shop.client(),
        "unknown": shop.client(f"{seller.key[:-4]}0000"),
        "revoked": shop.client(revoked.key),
        "expired": shop.client(expired.key),
    }
    return Keys(
        shop,
        seller,
        shop.seller(permissions=everything),
        shop.seller(permissions=everything, is_test=True),
        gate_client(shop, None),
        refused,
    )


@pytest.fixture(scope="module")
def subjects(keys: Keys) -> Iterator[Subject]:
    """Fresh subjects of the live partner. The one-time parts are made at once."""

    def made() -> Iterator[Subject]:
        seller, count = keys.seller, 60
        fresh = seller.generate(count, batch_id=unique("FRESH")).json()["tickets"]
        sold = seller.tickets(2, batch_id=unique("SOLD"))
        order_id = seller.activate(sold[0]).json()["order_id"]
        for ticket in fresh:
            batch_id = unique("BATCH")
            seller.tickets(1, batch_id=batch_id)
            yield Subject(
                seller, batch_id, ticket["ticket_code"], sold[0], order_id, seller.hold(1), ticket["qr_token"]
            )

    return made()


def test_a_key_that_is_missing_unknown_revoked_or_expired_opens_nothing(
    keys: Keys, subjects: Iterator[Subject]
) -> None:
    of = next(subjects)

    answers = {
        (operation, kind): call(http, operation, of).status_code
        for operation in operations()
        for kind, http in keys.refused.items()
    }

    assert {asked: status for asked, status in answers.items() if status != 401} == {}


def test_a_key_needs_the_permission_of_the_table_and_no_other(
    keys: Keys, subjects: Iterator[Subject]
) -> None:
    of = next(subjects)
    with_one = {name: keys.shop.client(keys.shop.key(keys.seller.name, [name]).key) for name in PERMISSIONS}

    wrong = {}
    for operation, [permission, *_] in rows_of("Operations of the API").items():
        for name, http in with_one.items():
            if name != permission:
                answer = call(http, operation, of)
                if (answer.status_code, answer.json().get("code")) != (403, "PERMISSION_MISSING"):
                    wrong[operation, name] = answer.status_code

    assert wrong == {}


@pytest.mark.parametrize("whose", ["own", "another partner", "test partner", "operator"])
def test_whose_data_a_key_with_the_permission_reaches(
    keys: Keys, subjects: Iterator[Subject], whose: str
) -> None:
    columns = ["own", "another partner", "test partner", "operator"]
    clients = {
        "own": keys.seller.http,
        "another partner": keys.other.http,
        "test partner": keys.of_test_partner.http,
        "operator": keys.operator,
    }
    of = next(subjects)
    wrong: dict[str, str] = {}
    for operation, [_, *cells] in rows_of("Operations of the API").items():
        expected = cells[columns.index(whose)]
        if whose in {"own", "operator"} and operation.startswith("POST"):
            of = next(subjects)
            if "reissue" in operation or "/gate/" in operation:
                keys.seller.activate(of.code)
        answer = call(clients[whose], operation, of)
        found = str(answer.status_code)
        if expected == YES:
            is_so = answer.is_success
        elif expected == "nothing of it":
            is_so = answer.is_success and not any(mark in answer.text for mark in of.marks)
        else:
            is_so = found == expected
        if not is_so:
            wrong[operation] = f"{found} {answer.text[:150]}, not {expected}"

    assert wrong == {}


# --- The console ---

VALUES = {
    "code": "CRUISE-2025-FERRY-0000000000001",
    "order_id": "ORD-0000000000001",
    "reservation_id": "RES-0000000000001",
    "like": "phone",
    "name": "nobody",
    "function_code": "no-such-function",
    **dict.fromkeys(("product_id", "partner_id", "key_id", "gate_device_id"), "999999999"),
}
LAST = ("POST /console/sign-out", "POST /console/sign-out-everywhere")
"""They end the session."""


def request_page(
    who: Visitor, name: str, headers: dict[str, str] | None = None, token: str | None = None
) -> int:
    """The status of a page or form, about something that does not exist."""
    method, path = name.split(" ")
    address = re.sub(r"\{(\w+)\}", lambda found: VALUES[found[1]], path)
    if method == "GET":
        return who.http.get(address, headers=headers).status_code
    form = {FORM_TOKEN: form_token(who.token) if token is None else token, "once": "0" * 32}
    return who.http.post(address, data=form, headers=headers).status_code


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_the_pages_of_the_table_and_no_others(dsn: str, service: Service, role: Role) -> None:
    table = rows_of("Pages and forms")
    place = list(Role).index(role) + 1
    with visitor(Shop(dsn, service.url), role) as who:
        found = {name: request_page(who, name) for name in sorted(table, key=LAST.__contains__)}

    may = {name: row[place] == YES for name, row in table.items()}
    assert {
        name: status for name, status in found.items() if (status != 403) != may[name] or status >= 500
    } == {}


def test_a_form_needs_a_session_its_token_and_a_page_of_the_console(dsn: str, service: Service) -> None:
    shop = Shop(dsn, service.url)
    forms = [name for name in rows_of("Pages and forms") if name.startswith("POST")]
    nobody = httpx.Client(
        base_url=service.url, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, verify=NO_TLS
    )
    with visitor(shop, Role.ADMIN) as who, visitor(shop, Role.ADMIN) as other, nobody:
        foreign = {name: request_page(who, name, FOREIGN) for name in forms}
        no_origin = {name: request_page(who, name, {"Sec-Fetch-Site": "none"}) for name in forms}
        wrong_token = {name: request_page(who, name, token=form_token(other.token)) for name in forms}
        no_token = {name: request_page(who, name, token="") for name in forms}
        out = Visitor(shop, "nobody", nobody, "")
        without_session = {name: request_page(out, name) for name in rows_of("Pages and forms")}

    for answers in (foreign, no_origin, wrong_token, no_token):
        assert {name: status for name, status in answers.items() if status != 403} == {}
    assert {name: status for name, status in without_session.items() if status != 303} == {}


def test_the_other_addresses(dsn: str, service: Service) -> None:
    shop = Shop(dsn, service.url)
    table = {name: row[0] for name, row in rows_of("Other addresses").items()}
    of_staff = [name for name, who in table.items() if who == Right.USE_GATE]
    assert set(table.values()) == {"anybody", Right.USE_GATE}
    for name in of_staff:
        method, path = name.split(" ")
        with visitor(shop, Role.GATE) as guard, visitor(shop, Role.FINANCE) as finance:
            token = {FORM_TOKEN_HEADER: form_token(guard.token)}
            allowed = guard.http.request(method, path, headers=token, json={})
            assert allowed.status_code not in {401, 403}, name
            refused = [
                finance.http.request(method, path, headers={FORM_TOKEN_HEADER: form_token(finance.token)})
            ]
            refused.append(httpx.request(method, f"{service.url}{path}", trust_env=False, verify=NO_TLS))
            if method == "POST":
                refused.append(guard.http.request(method, path, json={}))
                refused.append(guard.http.request(method, path, headers={**token, **FOREIGN}, json={}))
            assert {answer.status_code for answer in refused} == {403}, name
