"""The document that strangers integrate by, held against the contract and against the running service."""

import asyncio
import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright
from support.chromium import launched
from support.postgres import empty_database
from support.shop import CUSTOMER, Seller, Shop, unique
from support.taking_back import cancel, cancel_batch, reissue

from premade.api_docs.pages import Problems, assets
from premade.api_docs.routes import problems_of
from premade.app import make_app
from premade.batches.batch import BATCH_ID_PATTERN, NEW_BATCH_ID_PATTERN
from premade.catalog.product import Cancellation
from premade.http import fields
from premade.partners.keys import KeyUnknown
from premade.partners.partner import PartnerUnknown
from premade.partners.permission import PERMISSIONS
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings
from premade.stock.reservation import RESERVATION_ID_PATTERN
from premade.tickets import code as tickets

HERE = Path(__file__).parent
PROBLEM = "application/problem+json"
SHOWN = ("Stock", "GeneratedTicket", "ListedTicket", "TicketEvent", "TicketCounts", "Function", "Entitlement")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
Json = dict[str, Any]


@pytest.fixture
def document(shop: Shop) -> Json:
    return shop.client().get("/openapi.json").json()


@pytest.fixture(scope="module")
def problems() -> Problems:
    """For each code that the service knows: status, title, what happened, and what to do."""
    app: Any = vars(make_app(Settings(database_url="postgresql://nowhere"), Runtime(ZoneInfo("UTC"))))["_app"]
    return problems_of(app)


def test_the_operator_s_own_errors_are_not_among_the_interface_s(problems: Problems) -> None:
    assert {"NOT_READY", "DATABASE_AWAY", "STOCK_SHORT", "QUEUE_FULL", "BODY_TOO_LARGE"} <= set(problems)
    assert {PartnerUnknown.code, KeyUnknown.code} & set(problems) == set()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield method, path, item[method]


def resolved(part: Any, document: Json) -> Any:
    """The part, with what its references lead to in their places."""
    if isinstance(part, list):
        return [resolved(item, document) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found, document)
    whole = {str(name): resolved(member, document) for name, member in part.items()}
    for piece in whole.pop("allOf", []):
        whole = {**piece, **whole}
    return whole


def missing(wanted: Any, ours: Any, place: str) -> Iterator[str]:
    """Where `ours` says less than `wanted`, or something else. A description may be in other words."""
    if isinstance(wanted, dict) and isinstance(ours, dict):
        for name, member in wanted.items():
            if str(name) in ours:
                yield from missing(member, ours[str(name)], f"{place}/{name}")
            else:
                yield f"{place}/{name}: absent"
    elif isinstance(wanted, list) and isinstance(ours, list):
        yield from missing_items(wanted, ours, place)
    elif type(wanted) is not type(ours) or not (wanted == ours or (ours and place.endswith("/description"))):
        yield f"{place}: {ours!r}, not {wanted!r}"


def missing_items(wanted: list[Any], ours: list[Any], place: str) -> Iterator[str]:
    if place.endswith("/parameters"):
        by_name = {(parameter["in"], parameter["name"]): parameter for parameter in ours}
        for parameter in wanted:
            found = by_name.get((parameter["in"], parameter["name"]), {})
            yield from missing(parameter, found, f"{place}/{parameter['name']}")
    elif place.endswith("/enum") and wanted != ours:
        yield f"{place}: {ours!r}, not {wanted!r}"
    else:
        yield from (f"{place}: lacks {item!r}" for item in wanted if item not in ours)


def test_the_document_is_valid_openapi_3_0_3(document: Json) -> None:
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()


def test_the_document_says_all_that_the_contract_says(document: Json) -> None:
    contract = yaml.safe_load((HERE / "card.yaml").read_text())

    assert list(missing(contract, resolved(document, document), "")) == []


def test_a_document_that_says_less_is_noticed(document: Json) -> None:
    contract = yaml.safe_load((HERE / "card.yaml").read_text())
    ours = resolved(document, document)
    activate = ours["paths"]["/api/ota/tickets/{code}/activate"]["post"]
    body = activate["requestBody"]["content"]["application/json"]["schema"]
    body["required"] = ["customer_details"]
    del body["properties"]["customer_details"]["properties"]["email"]["format"]
    del activate["responses"]["409"]
    activate["parameters"] = []
    generate = ours["paths"]["/api/ota/tickets/bulk-generate"]["post"]
    generate["requestBody"]["content"]["application/json"]["schema"]["properties"]["quantity"]["maximum"] = (
        101
    )

    found = list(missing(contract, ours, ""))

    told = ("quantity/maximum", "required: lacks", "email/format", "409: absent", "parameters/code/name")
    assert [word for word in told if not any(word in line for line in found)] == []


def test_the_key_is_the_contract_s_api_key(document: Json) -> None:
    scheme = document["components"]["securitySchemes"]["ApiKeyAuth"]

    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")


def example_of(schema: Json) -> Any:
    """The example that a schema or its members give; a member that may be left out needs none."""
    if "example" in schema:
        return schema["example"]
    if "items" in schema:
        return [example_of(schema["items"])]
    return {
        name: example_of(member)
        for name, member in schema["properties"].items()
        if name in schema["required"] or "example" in member
    }


def request_of(operation: Json, document: Json, real: dict[str, str]) -> Any:
    """The example of its body, with tickets that there are."""
    if "requestBody" not in operation:
        return None
    media = operation["requestBody"]["content"]["application/json"]
    body = example_of(resolved(media["schema"], document))
    if "ticket_codes" in body:
        body["ticket_codes"] = [real["unsold"]]
    for shown in (body, *body.get("redemptions", [])):
        if "qr" in shown:
            shown["qr"] = real["qr"]
    return body


def test_every_example_of_a_request_works(document: Json, seller_of_106: Seller, shop: Shop) -> None:
    http = shop.client(shop.key(seller_of_106.name, list(PERMISSIONS)).key)
    real: dict[str, str] = {}
    sent: list[str] = []
    order = [
        "bulk_generate", "activate", "draw", "make_order", "ticket", "redeem", "inspect", "sync", "reissue",
        "cancel_batch", "order", "cancel_order", "cancel_ticket", "inventory", "reserve", "reservations", "reservation",
        "release_reservation", "gate_snapshot", "products", "tickets", "batches", "batch", "batch_tickets",
            "batch_tickets_csv", "batch_tickets_jsonl", "orders", "qr_png", "qr_svg",
    ]  # fmt: skip
    by_id = {
        operation["operationId"]: (method, path, operation)
        for method, path, operation in operations(document)
    }
    assert set(order) == set(by_id)
    for operation_id in order:
        method, path, operation = by_id[operation_id]
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                assert re.fullmatch(parameter["schema"]["pattern"], parameter["schema"]["example"])
                path = path.replace(f"{{{parameter['name']}}}", real[parameter["name"]])
        body = request_of(operation, document, real)
        answer = http.request(method, path, json=body)
        assert answer.is_success, answer.text
        sent.append(operation_id)
        if operation_id == "bulk_generate":
            tickets = answer.json()["tickets"]
            real |= {
                "batch_id": answer.json()["batch_id"],
                "code": tickets[0]["ticket_code"],
                "qr": tickets[0]["qr_token"],
                "unsold": tickets[-1]["ticket_code"],
                "drawn": tickets[1]["ticket_code"],
            }
        if operation_id == "sync":
            # What follows is of a ticket that is sold and not used.
            real["code"] = real["drawn"]
        if operation_id in {"activate", "make_order"}:
            real["order_id"] = answer.json()["order_id"]
        if operation_id == "reserve":
            real["reservation_id"] = answer.json()["reservation_id"]
    assert sent == order


def test_every_member_of_an_answer_has_an_example_or_is_made_of_such(document: Json) -> None:
    """So that the page shows an answer as it looks, not "string"."""
    bare = [
        f"{name}.{member}"
        for name, schema in document["components"]["schemas"].items()
        if name.endswith("Answer") or name in SHOWN
        for member, inner in schema["properties"].items()
        if not {"example", "enum", "$ref", "allOf", "items"} & set(inner)
    ]

    assert [member for member in bare if not member.endswith((".qr_code", ".qr_token"))] == []


def success_of(path: str) -> list[str]:
    of_files = {
        "snapshot": "application/x-ndjson",
        "qr.png": "image/png",
        "qr.svg": "image/svg+xml",
        "tickets.csv": "text/csv",
        "tickets.jsonl": "application/x-ndjson",
    }
    if path.endswith("{batch_id}/tickets"):
        return [of_files["tickets.jsonl"], of_files["tickets.csv"]]
    return [of_files.get(path.rpartition("/")[2], "application/json")]


def test_every_answer_is_listed_with_its_headers(document: Json) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert {"400", "401", "403", "500", "503"} <= set(answers), (method, path)
        for status, answer in answers.items():
            assert answer["description"], (method, path, status)
            assert answer["headers"]["X-Request-Id"]["required"], (method, path, status)
            media_types = success_of(path) if status.startswith("2") else ["application/problem+json"]
            assert list(answer["content"]) == media_types, (method, path, status)
        assert answers["401"]["headers"]["WWW-Authenticate"]["required"]
        assert answers["503"]["headers"]["Retry-After"]["required"]


def test_every_code_of_a_listed_refusal_is_one_that_has_a_page(document: Json, problems: Problems) -> None:
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            for code, example in (
                answer["content"].get("application/problem+json", {}).get("examples", {}).items()
            ):
                assert problems[code][0] == int(status) == example["value"]["status"], (method, path, code)
                assert example["value"]["type"] == f"/problems/{code}"
                assert f"`{code}`" in answer["description"]


def test_what_writes_takes_an_idempotency_key_and_says_how_long(document: Json) -> None:
    writing = [
        operation
        for method, path, operation in operations(document)
        if method in ("post", "delete") and not path.startswith("/api/gate/")
    ]

    assert len(writing) == 10
    for operation in writing:
        [header] = [given for given in operation["parameters"] if given["name"] == "Idempotency-Key"]
        schema = header["schema"]
        assert (header["in"], header["required"]) == ("header", False)
        assert (schema["minLength"], schema["maxLength"]) == (1, fields.IDEMPOTENCY_KEY_CHARACTERS_MAX)
        assert str(fields.IDEMPOTENCY_KEY_CHARACTERS_MAX) in header["description"]
        done = max(status for status in operation["responses"] if status.startswith("2"))
        assert "Idempotency-Replayed" in operation["responses"][done]["headers"]
        assert "422" in operation["responses"]


def test_what_writes_at_the_gate_is_known_again_by_its_scan(document: Json) -> None:
    schemas = document["components"]["schemas"]

    for name, members in {
        "RedeemRequest": ("device_id", "scan_id"),
        "SyncRequest": ("device_id", "redemptions"),
        "OfflineRedemption": ("scan_id",),
    }.items():
        assert set(members) <= set(schemas[name]["required"])
    redeem = document["paths"]["/api/gate/redemptions"]["post"]["responses"]
    assert "Idempotency-Replayed" in redeem["200"]["headers"]
    assert "Retry-After" in redeem["429"]["headers"]
    assert {"QR_INVALID", "SCAN_ID_REUSED"} == set(redeem["422"]["content"][PROBLEM]["examples"])
    assert {
        "NOT_ACTIVATED",
        "USED_UP",
        "CANCELLED",
        "EXPIRED",
        "QR_REVOKED",
        "TEST_TICKET",
        "LIVE_TICKET",
        "RESULT_ARCHIVED",
    } == set(redeem["409"]["content"][PROBLEM]["examples"])


def test_the_patterns_of_the_document_are_those_that_are_checked(document: Json) -> None:
    schemas = document["components"]["schemas"]
    patterns = {
        parameter["name"]: parameter["schema"]["pattern"]
        for _, _, operation in operations(document)
        for parameter in operation["parameters"]
        if parameter["in"] == "path"
    }

    assert patterns["code"] == f"^{tickets._TICKET_CODE.pattern}$"
    assert patterns["batch_id"] == f"^{BATCH_ID_PATTERN}$"
    assert patterns["order_id"] == f"^{tickets._ORDER_ID.pattern}$"
    assert patterns["reservation_id"] == f"^{RESERVATION_ID_PATTERN}$"
    assert schemas["GenerateRequest"]["properties"]["batch_id"]["pattern"] == f"^{NEW_BATCH_ID_PATTERN}$"
    product_id = schemas["GenerateRequest"]["properties"]["product_id"]
    assert (product_id["minimum"], product_id["maximum"]) == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "name",
            ["陳大文", " J ", "J\n", "\ufeffJ\u200b", "x" * 200],
            ["", " ", "\u2003", "\u200b", "\u3164", "a\nb", "a\u2028b", "a\x85b", "a\u202eb", "x" * 201],
        ),
        (
            "phone",
            ["+1234567890", "(+44) 20.7946.0958", " +852 2345-6789 ", "+44 (0)20/7946 0018\n"],
            ["12345678", "+0123456789", "+852", "+8"],
        ),
        ("payment_reference", ["-", "付款 №7", " PAY\t", "x" * 128], ["", "  ", "a\tb", "x" * 129]),
    ],
)
def test_the_document_and_the_service_agree_on_a_customer_s_details(
    document: Json, seller: Seller, field: str, good: list[str], bad: list[str]
) -> None:
    body = resolved(document["components"]["schemas"]["ActivateRequest"], document)["properties"]
    schema = {**body["customer_details"]["properties"], **body}[field]
    codes = iter(seller.tickets(len(good) + 1))
    last = next(codes)

    def documented(text: str) -> bool:
        length = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        return length and re.search(schema["pattern"], text) is not None

    assert [documented(text) for text in good] == [True] * len(good)
    assert [documented(text) for text in bad] == [False] * len(bad)
    assert [
        seller.activate(code, **{field: text}).status_code for code, text in zip(codes, good, strict=True)
    ] == [200] * len(good)
    assert [seller.activate(last, **{field: text}).status_code for text in bad] == [400] * len(bad)


class Texts(HTMLParser):
    """The text of each element that has some, and every address that a page loads or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by_tag: list[tuple[str, str]] = []
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self._tags = [""]
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get("src") or (given.get("href") if tag != "a" else None)
        if address is not None:
            self.loaded.append(address)
        if tag == "a":
            self.linked.append(given["href"] or "")
        self._tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.by_tag.append((self._tags[-1], data.strip()))


def assert_page_explains(client: httpx.Client, code: str, told: tuple[int, str, str, str]) -> None:
    status, title, why, remedy = told
    answer = client.get(f"/problems/{code}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    texts = [text for _, text in Texts(answer.text).by_tag]
    assert all(len(part) > 10 for part in (title, why, remedy)), code
    for part in (title, "What happened", why, "What to do", remedy, code):
        assert part in texts, (code, part)
    assert any(text.startswith(str(status)) for text in texts), code


def test_every_error_has_a_page_that_explains_it(shop: Shop, problems: Problems) -> None:
    with shop.client() as client:
        for code, told in problems.items():
            assert_page_explains(client, code, told)
        listed = Texts(client.get("/problems").text).linked
        assert {f"/problems/{code}" for code in problems} <= set(listed)


def test_there_is_no_page_for_a_code_that_there_is_not(shop: Shop) -> None:
    answer = shop.client().get("/problems/NO_SUCH_CODE")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_the_type_of_every_refusal_leads_to_its_page(seller: Seller, shop: Shop, problems: Problems) -> None:
    reading = shop.client(shop.key(seller.name, ["tickets:read"]).key)
    sold, unsold = seller.tickets(2, batch_id=(taken := unique("BATCH")))
    seller.activate(sold, headers={"Idempotency-Key": "first"})
    generate, activate = "/api/ota/tickets/bulk-generate", f"/api/ota/tickets/{unsold}/activate"
    expired = seller.tickets(1)[0]
    shop.sql("UPDATE pre_generated_tickets SET valid_until = '2020-01-01' WHERE ticket_code = %s", expired)
    seller.release(ended := seller.hold(1))
    as_text = {"Content-Type": "text/plain"}
    euros = shop.product(seller.channel, 10, currency="EUR")
    of_two_currencies = [*seller.tickets(1), *seller.tickets(1, product_id=euros)]
    twice, used, often = seller.tickets(3)
    cancel(seller, twice)
    cancelled_again = cancel(seller, twice)
    seller.activate(used)
    shop.sql("UPDATE pre_generated_tickets SET first_used_at = now() WHERE ticket_code = %s", used)
    shop.sql("UPDATE pre_generated_tickets SET issue_number = 999 WHERE ticket_code = %s", often)
    strict = shop.seller(cancellation=Cancellation.NEVER)
    strict.activate(for_good := strict.tickets()[0])
    sold_for_good = cancel(strict, for_good)

    over = shop.seller()
    shop.sql("UPDATE products SET usable_until = '2020-01-01' WHERE product_id = %s", over.product_id)

    provoked = {
        "API_KEY_MISSING": shop.client().get("/api/ota/inventory"),
        "API_KEY_INVALID": shop.client("nobody's").get("/api/ota/inventory"),
        "PERMISSION_MISSING": reading.get("/api/ota/inventory"),
        "BODY_TOO_LARGE": seller.http.post(generate, content=b"{" + b" " * 2**20),
        "NOT_JSON": seller.http.post(activate, content=b"{}", headers=as_text),
        "INVALID_REQUEST": seller.http.post(generate, json={}),
        "IDEMPOTENCY_KEY_REUSED": seller.activate(sold, headers={"Idempotency-Key": "first"}, name="Other"),
        "PRODUCT_UNKNOWN": seller.generate(1, product_id=1),
        "TICKET_UNKNOWN": seller.activate("CRUISE-2025-FERRY-0000000000000"),
        "ORDER_UNKNOWN": seller.http.get("/api/ota/orders/ORD-0000000000000"),
        "ALREADY_ACTIVATED": seller.activate(sold),
        "TICKET_EXPIRED": seller.activate(expired),
        "BATCH_ID_TAKEN": seller.generate(1, batch_id=taken),
        "BATCH_UNKNOWN": cancel_batch(seller, "none"),
        "TICKET_CANCELLED": cancelled_again,
        "TICKET_USED": cancel(seller, used),
        "NOT_CANCELLABLE": sold_for_good,
        "ISSUE_LIMIT": reissue(seller, often),
        "PRODUCT_OVER": over.generate(1),
        "STOCK_SHORT": shop.seller(stock=1).generate(2),
        "BATCH_SHORT": seller.draw(taken, 2),
        "TICKETS_UNKNOWN": seller.order(["CRUISE-2025-FERRY-0000000000000"]),
        "TICKETS_NOT_SELLABLE": seller.order([sold]),
        "CURRENCIES_DIFFER": seller.order(of_two_currencies),
        "RESERVATION_UNKNOWN": seller.release("RSV-0000000000000"),
        "RESERVATION_ENDED": seller.generate(1, reservation_id=ended),
        "RESERVATION_TOO_SMALL": seller.generate(2, reservation_id=seller.hold(1)),
        "NOT_FOUND": seller.http.get("/api/ota/nothing"),
        "METHOD_NOT_ALLOWED": seller.http.delete(generate),
        "HEAD_TOO_LARGE": seller.http.get("/api/ota/inventory", headers={"X-Much": "x" * 2**17}),
    }

    for code, answer in provoked.items():
        problem = answer.json()
        assert (problem["code"], answer.headers["content-type"]) == (code, "application/problem+json"), (
            answer.text
        )
        assert (problem["status"], answer.status_code) == (problems[code][0],) * 2
        page = shop.client().get(problem["type"])
        assert page.status_code == 200, problem["type"]
        assert html.escape(problem["title"]) in page.text


def test_the_page_of_the_interface_loads_nothing_from_outside(shop: Shop) -> None:
    with shop.client() as client:
        page = client.get("/docs")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        loaded = Texts(page.text).loaded
        assert len(loaded) == 4
        for address in loaded:
            assert re.fullmatch(r"/docs/assets/[a-z0-9/.-]+", address)
            assert client.get(address).status_code == 200, address
        style = client.get("/docs/assets/swagger-ui/swagger-ui.css").text
        assert {given[:5] for given in re.findall(r"url\(['\"]?([^)]+)", style)} <= {"data:"}


def test_only_the_assets_are_served(shop: Shop) -> None:
    with shop.client() as client:
        for name in assets():
            assert client.get(f"/docs/assets/{name}").content == assets()[name]
        for name in ("swagger-ui/LICENSE", "..%2fpages.py", "%2e%2e/openapi.py", ""):
            assert client.get(f"/docs/assets/{name}").status_code == 404, name


def test_the_licence_of_the_assets_comes_with_the_package() -> None:
    folder = resources.files("premade.api_docs") / "static" / "swagger-ui"

    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "swagger-ui" in (folder / "NOTICE").read_text().lower()


@pytest.mark.nightly
def test_a_browser_shows_every_operation_and_asks_nobody_else(shop: Shop, document: Json) -> None:
    asked: list[str] = []
    complaints: list[str] = []

    def watch(page: Page) -> None:
        def note_request(request: Request) -> None:
            asked.append(request.url)

        def note_message(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complaints.append(message.text)

        page.on("request", note_request)
        page.on("console", note_message)
        page.on("pageerror", lambda error: complaints.append(str(error)))

    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        page = browser.new_page()
        watch(page)
        page.goto(f"{shop.url}/docs")
        page.wait_for_selector(".opblock")
        shown = {
            (
                block.get_attribute("class") or "",
                (block.query_selector("[data-path]") or block).get_attribute("data-path"),
            )
            for block in page.query_selector_all(".opblock")
        }
        page.click("#operations-OTA_Integration-activate .opblock-summary-control")
        page.wait_for_selector("#operations-OTA_Integration-activate .responses-table")
        opened = page.inner_text("#operations-OTA_Integration-activate")
        browser.close()

    wanted = {(method, path) for method, path, _ in operations(document)}
    assert {
        (method, path)
        for method, path in wanted
        if any(f"opblock-{method}" in kind and path == at for kind, at in shown)
    } == wanted
    assert "PAY-OTA-2025-001" in opened
    assert "ALREADY_ACTIVATED" in opened
    assert complaints == []
    assert [address for address in asked if not address.startswith((f"{shop.url}/", "data:"))] == []
    assert f"{shop.url}/openapi.json" in asked


def test_the_process_says_that_it_is_alive_and_ready(shop: Shop) -> None:
    with shop.client() as client:
        assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (
            200,
            {"status": "alive"},
        )
        assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ready"})


def answers_on(database: str, *paths: str) -> list[httpx.Response]:
    """What the application answers when it stands on that database."""

    async def ask() -> list[httpx.Response]:
        app = make_app(Settings(database_url=database), Runtime(ZoneInfo("UTC")))
        inner: Any = vars(app)["_app"]
        async with (
            inner.router.lifespan_context(inner),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://premade") as client,
        ):
            return [await client.get(path) for path in paths]

    return asyncio.run(ask())


def test_on_a_database_without_its_schema_it_is_alive_but_not_ready(dsn: str, problems: Problems) -> None:
    with empty_database(dsn) as without_schema:
        alive, ready = answers_on(without_schema, "/healthz", "/readyz")

    assert alive.status_code == 200
    assert (ready.status_code, ready.headers["content-type"]) == (503, "application/problem+json")
    assert ready.json()["type"] == f"/problems/{ready.json()['code']}"
    assert ready.json()["code"] in problems
    assert int(ready.headers["retry-after"]) > 0


def test_an_example_customer_is_the_contract_s(document: Json) -> None:
    schema = resolved(document["components"]["schemas"]["CustomerDetails"], document)

    assert example_of(schema) == CUSTOMER
