"""HTTP as its standards have it: what a request must and may carry, HEAD, old clients, and people who type an address."""

import gzip
import json
import re
from urllib.parse import urlsplit

import httpx
import pytest
from browser.visitors import visitor
from support.gate import SNAPSHOT, gate_client
from support.service import Service
from support.shop import Seller, Shop, sale, unique
from support.wire import exchange

BOM = b"\xef\xbb\xbf"


def request_with(*lines: str, version: str = "1.1", path: str = "/healthz") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", *lines, "Connection: close", "", ""]).encode("latin-1")


def answer_to(service: Service, request: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = exchange(service, request).partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_", "pointers"),
    [
        (request_with(), {"header#/Host"}),
        (request_with("Host: here", "Host: here"), {"header#/Host"}),
        (request_with("Host: here", "Host: there"), {"header#/Host"}),
        (request_with("Host: he re"), {"header#/Host"}),
        (request_with("Host: a/b"), {"header#/Host"}),
        (request_with("Host: a@b"), {"header#/Host"}),
        (request_with("Host: caf\xe9"), {"header#/Host"}),
        (request_with("Host: here", "X-API-Key: a", "x-api-key: a"), {"header#/X-API-Key"}),
        (request_with("X-API-Key: a", "X-API-Key: b"), {"header#/Host", "header#/X-API-Key"}),
        *(
            (request_with("Host: here", f"{name}: a", f"{name.lower()}: a"), {f"header#/{name}"})
            for name in (
                "Authorization", "Content-Type", "Cookie", "Origin", "Sec-Fetch-Site", "X-Form-Token",
            )
        ),
        (request_with("Host: here", version="2.0"), {"#"}),
        (request_with("Host: here", version="3.0"), {"#"}),
        (request_with("Host: here", version="1.2"), {"#"}),
        (request_with("Host: here", version="0.9"), {"#"}),
        (b"GET /healthz\r\n\r\n", {"#"}),
        (request_with("Host: here", "Content-Length: 1", "Content-Length: 1"), {"#"}),
        (request_with("Host: here", "Content-Length: 1, 1"), {"#"}),
        (request_with("Host: here", "Content-Length: 1", "Transfer-Encoding: chunked"), {"#"}),
        (request_with("Host: here", "Transfer-Encoding: chunked", "Content-Length: 1"), {"#"}),
        (request_with("Host: here", "Transfer-Encoding: gzip, chunked"), {"header#/Transfer-Encoding"}),
        (request_with("Transfer-Encoding: chunked", version="1.0"), {"header#/Transfer-Encoding"}),
    ],
)  # fmt: skip
def test_a_head_that_breaks_a_rule_is_refused_and_says_which(
    service: Service, request_: bytes, pointers: set[str]
) -> None:
    status, headers, body = answer_to(service, request_)

    assert (status, headers["connection"]) == (400, "close")
    assert {wrong["pointer"] for wrong in json.loads(body)["errors"]} == pointers


@pytest.mark.parametrize(
    "request_",
    [
        request_with(version="1.0"),
        request_with("Host: here", version="1.0"),
        request_with("Host:"),
        request_with("Host: xn--caf-dma.example:8080"),
        request_with("Host: [2001:db8::1]:80"),
        request_with(
            "Host: here", "Accept: a", "Accept: b", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"
        ),
        request_with("Host: here", path="http://here/healthz"),
    ],
)
def test_what_the_rules_allow_is_answered(service: Service, request_: bytes) -> None:
    assert answer_to(service, request_)[0] == 200


@pytest.mark.parametrize("around", [" ", "\t", " \t "])
def test_blanks_around_a_header_value_are_no_part_of_it(
    service: Service, seller: Seller, around: str
) -> None:
    [code] = seller.tickets()
    body = json.dumps(sale())
    key = unique("once")

    def sold(blanks: str) -> tuple[int, dict[str, str], bytes]:
        lines = [
            f"POST /api/ota/tickets/{code}/activate HTTP/1.1",
            f"Host:{blanks}here{blanks}",
            f"X-API-Key:{blanks}{seller.key}{blanks}",
            f"Idempotency-Key:{blanks}{key}{blanks}",
            f"Content-Type:{blanks}application/json{blanks}",
            f"Content-Encoding:{blanks}identity{blanks}",
            f"Content-Length:{blanks}{len(body)}{blanks}",
            f"Connection:{blanks}close{blanks}",
        ]
        return answer_to(service, "\r\n".join([*lines, "", body]).encode())

    first, second = sold(around), sold("")

    # The same key: a retry.
    assert (first[0], second[0]) == (200, 200)
    assert first[2] == second[2]


def test_an_old_client_gets_no_chunks(shop: Shop, service: Service, seller: Seller) -> None:
    batch_id = unique("BATCH")
    codes = seller.tickets(3, batch_id=batch_id)
    seller.activate(codes[0])
    gate = gate_client(shop, seller.name)
    for path, key in (
        (f"/api/ota/batches/{batch_id}/tickets", seller.key),
        (f"/api/ota/batches/{batch_id}/tickets.csv", seller.key),
        (SNAPSHOT, gate.headers["X-API-Key"]),
        ("/api/ota/tickets", seller.key),
    ):
        request = request_with(f"X-API-Key: {key}", "Accept-Encoding: gzip", version="1.0", path=path)
        status, headers, body = answer_to(service, request)
        assert (status, headers["connection"]) == (200, "close"), path
        assert "transfer-encoding" not in headers
        text = (gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body).decode()
        assert codes[0] in text
        if "content-length" in headers:
            assert int(headers["content-length"]) == len(body)
        elif path != SNAPSHOT:
            assert len(text.splitlines()) in (3, 4)


def test_head_is_answered_as_get_without_the_body(shop: Shop, seller: Seller) -> None:
    batch_id = unique("BATCH")
    [code] = seller.tickets(1, batch_id=batch_id)
    seller.activate(code)
    [order] = seller.http.get("/api/ota/orders").json()["items"]
    paths = [
        "/", "/docs", "/openapi.json", "/problems", "/favicon.ico", "/healthz", "/readyz",
        "/.well-known/premade-keys.json", "/docs/assets/start.js",
        "/api/ota/tickets", f"/api/ota/tickets/{code}", f"/api/ota/tickets/{code}/qr.png",
        f"/api/ota/tickets/{code}/qr.svg", "/api/ota/orders", f"/api/ota/orders/{order['order_id']}",
        "/api/ota/inventory", "/api/ota/batches", f"/api/ota/batches/{batch_id}/tickets",
        f"/api/ota/batches/{batch_id}/tickets.csv", f"/api/ota/batches/{batch_id}/tickets.jsonl",
        "/api/ota/tickets/NONE-2025-FERRY-0000000000000", "/api/nothing",
    ]  # fmt: skip
    with gate_client(shop, seller.name) as gate, visitor(shop, "admin") as admin:
        clients = [(seller.http, path) for path in paths]
        clients += [(gate, SNAPSHOT)]
        clients += [
            (admin.http, path)
            for path in ("/console", "/console/tickets", "/console/gate/session", "/console/gate/snapshot")
        ]
        for client, path in clients:
            get, head, again = client.get(path), client.head(path), client.get(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            # Two workers have a share of the rate limit each.
            once = {"date", "ratelimit", "x-request-id", "transfer-encoding", "content-length"}
            assert {n: v for n, v in head.headers.items() if n not in once} == {
                n: v for n, v in get.headers.items() if n not in once
            }, path
            if "transfer-encoding" not in get.headers and get.status_code == 200:
                # The console's first page has figures that change by themselves.
                lengths = {answer.headers["content-length"] for answer in (get, again)}
                assert head.headers["content-length"] in lengths, path


def test_a_method_that_is_not_taken_is_told_all_that_are(seller: Seller) -> None:
    for path, allowed in (
        ("/api/ota/tickets", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/api/ota/orders", "GET, HEAD, POST"),
    ):
        answer = seller.http.delete(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "gzip, identity", "identity, gzip"])
def test_a_compressed_body_is_refused_by_its_own_name(seller: Seller, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = seller.http.post("/api/ota/orders", content=gzip.compress(b"{}"), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "BODY_ENCODED")
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("coding", ["identity", "Identity", "identity, identity", ""])
def test_a_body_without_a_coding_may_say_so(seller: Seller, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}

    assert seller.http.post("/api/ota/orders", content=b"{}", headers=headers).status_code == 400


def test_a_byte_order_mark_is_no_part_of_a_body(seller: Seller) -> None:
    [code] = seller.tickets()
    path, headers = f"/api/ota/tickets/{code}/activate", {"Content-Type": "application/json"}
    body = json.dumps(sale()).encode()

    assert seller.http.post(path, content=BOM + body, headers=headers).status_code == 200
    assert seller.http.post(path, content=BOM, headers=headers).status_code == 400
    # Also where the slower reader is needed, to name what is wrong.
    twice = seller.http.post(path, content=BOM + b'{"a": 1, "a": 2}', headers=headers)
    assert "#/a" in {wrong["pointer"] for wrong in twice.json()["errors"]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_body_in_another_encoding_is_told_which(seller: Seller, encoding: str) -> None:
    [code] = seller.tickets()
    answer = seller.http.post(
        f"/api/ota/tickets/{code}/activate",
        content=json.dumps(sale()).encode(encoding),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "#", "detail": f"The body is {encoding[:6].upper()}; send it in UTF-8"}
    ]


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "ApiKey"])
def test_who_sends_the_key_as_authorization_is_told_where_it_goes(seller: Seller, scheme: str) -> None:
    answer = httpx.get(
        seller.http.base_url.join("/api/ota/tickets"),
        headers={"Authorization": f"{scheme} {seller.key}"},
        trust_env=False,
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "API_KEY_MISSING")
    assert "X-API-Key" in answer.json()["detail"]
    assert "Authorization" in answer.json()["detail"]


def test_a_person_finds_the_way(shop: Shop) -> None:
    with shop.client() as client:
        home = client.get("/")
        assert home.status_code == 200
        assert home.headers["content-type"].startswith("text/html")
        links = set(re.findall(r'href="(/[^"]*)"', home.text))
        assert {"/docs", "/console"} <= links
        for link in links:
            assert client.get(link).status_code in (200, 303), link
        icon = client.get("/favicon.ico")
        assert (icon.status_code, icon.headers["content-type"]) == (200, "image/x-icon")
        assert icon.content.startswith(b"\0\0\1\0")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/docs/", "/docs"),
        ("/docs//", "/docs"),
        ("/docs%2F", "/docs"),
        ("/docs/?a=1", "/docs?a=1"),
        ("/problems/", "/problems"),
        ("/problems/INVALID_REQUEST/", "/problems/INVALID_REQUEST"),
        ("/console/sign-in/", None),
        ("/console/", None),
    ],
)
def test_a_slash_at_the_end_of_a_page_s_address_does_no_harm(
    shop: Shop, typed: str, meant: str | None
) -> None:
    with shop.client() as client:
        answer = client.get(typed)
        if meant is not None:
            assert (answer.status_code, answer.headers["location"]) == (308, meant)
        assert client.get(typed, follow_redirects=True).status_code == 200


@pytest.mark.parametrize(
    ("typed", "status"),
    [("/console/", 200), ("/console/tickets/", 200), ("/console/account//", 200), ("/console/nowhere/", 404)],
)
def test_a_slash_at_the_end_in_the_console(shop: Shop, typed: str, status: int) -> None:
    with visitor(shop, "admin") as admin:
        answer = admin.http.get(typed)
        assert (answer.status_code, answer.headers["location"]) == (303, typed.rstrip("/"))
        assert admin.status(answer.headers["location"]) == status


@pytest.mark.parametrize(
    "path", ["/api/ota/tickets/", "//example.com/", "//docs/", "/%2Fexample.com/", "/nowhere/", "/api/"]
)
def test_other_addresses_are_led_nowhere(shop: Shop, path: str) -> None:
    with shop.client() as client:
        answer = client.get(f"{shop.url}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        assert client.post("/docs/").status_code == 404


def test_the_service_says_once_that_a_proxy_is_not_trusted(service: Service) -> None:
    address = urlsplit(service.url).netloc
    for _ in range(6):
        answer_to(service, request_with(f"Host: {address}", "X-Forwarded-For: 198.51.100.7"))

    told = [line for line in service.log_lines() if line.get("event") == "http.proxy_not_trusted"]
    # Once in each of two processes, whichever of the tests was the first.
    assert 1 <= len(told) <= 2
    assert "PREMADE_TRUSTED_PROXIES" in str(told[0])


def form_without_end(shop: Shop, path: str, *lines: str) -> bytes:
    host = urlsplit(shop.url).netloc
    told = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Length: 500", "Connection: close", *lines]
    return "\r\n".join([*told, "", "a=1"]).encode()


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/console/sign-in", (), 403),
        ("/console/sign-in", ("Origin: http://elsewhere.example",), 403),
        ("/console/sign-in", ("Sec-Fetch-Site: cross-site",), 403),
        ("/console/account", ("Sec-Fetch-Site: same-origin",), 303),
        ("/console/sign-out", ("Sec-Fetch-Site: same-origin", "Cookie: premade_session=none"), 303),
        ("/console/gate/redemptions", ("Sec-Fetch-Site: same-origin",), 403),
    ],
)
def test_nobody_s_form_is_waited_for_but_of_who_is_signed_in(
    shop: Shop, service: Service, path: str, lines: tuple[str, ...], status: int
) -> None:
    # Its body never comes to an end: an answer means that it was not waited for.
    assert answer_to(service, form_without_end(shop, path, *lines))[0] == status


def test_the_rights_are_looked_at_before_the_form(shop: Shop, service: Service) -> None:
    with visitor(shop, "gate") as guard:
        request = form_without_end(
            shop,
            "/console/staff",
            "Sec-Fetch-Site: same-origin",
            f"Cookie: {guard.http.headers['Cookie']}",
        )
    assert answer_to(service, request)[0] == 403
