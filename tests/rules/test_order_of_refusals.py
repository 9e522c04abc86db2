"""A request that is wrong in two ways is refused for the first: 401, 403, 413, 415, 400, 422, 404, 409."""

import httpx
import pytest
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import CUSTOMER, Seller, Shop

UNKNOWN_CODE = "CRUISE-2025-FERRY-0000000000000"
SALE = {"customer_details": CUSTOMER, "payment_reference": "P"}
GENERATE = "/api/ota/tickets/bulk-generate"
ACTIVATE = f"/api/ota/tickets/{UNKNOWN_CODE}/activate"
READS = [f"/api/ota/tickets/{UNKNOWN_CODE}", "/api/ota/orders/ORD-0000000000000", "/api/ota/inventory"]
DRAW, ORDER = "/api/ota/batches/UNKNOWN/activate", "/api/ota/orders"
WRITES = [GENERATE, ACTIVATE, DRAW, ORDER]
TOO_LARGE = b" " * (1024 * 1024 + 1)
JSON = {"Content-Type": "application/json"}


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("path", [*WRITES, *READS])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, "API_KEY_MISSING"),
        ("", "API_KEY_MISSING"),
        ("nonsense", "API_KEY_INVALID"),
        ("pm_live_abcdefghjk_" + "a" * 40, "API_KEY_INVALID"),
    ],
)
def test_no_key_or_a_wrong_one_is_401_before_anything_else(
    shop: Shop, path: str, key: str | None, expected: str
) -> None:
    client = shop.client()
    headers = {} if key is None else {"X-API-Key": key}
    method = "POST" if path in WRITES else "GET"

    answer = client.request(method, path, content=TOO_LARGE if method == "POST" else None, headers=headers)

    assert code(answer) == (401, expected)
    assert answer.headers["WWW-Authenticate"].startswith("ApiKey")


@pytest.mark.parametrize("path", [*WRITES, *READS])
def test_a_missing_permission_is_403_before_the_body_is_looked_at(shop: Shop, path: str) -> None:
    needed = {GENERATE: "tickets:bulk-generate", ACTIVATE: "tickets:activate", READS[0]: "tickets:read"}
    needed |= {READS[1]: "orders:read", READS[2]: "inventory:read"}
    needed |= {DRAW: "tickets:activate", ORDER: "tickets:activate"}
    seller = shop.seller(permissions=[name for name in needed.values() if name != needed[path]])
    method = "POST" if path in WRITES else "GET"

    answer = seller.http.request(method, path, content=TOO_LARGE if method == "POST" else None)

    assert code(answer) == (403, "PERMISSION_MISSING")
    assert needed[path] in answer.json()["detail"]


@pytest.mark.parametrize("path", WRITES)
def test_413_comes_before_415(seller: Seller, path: str) -> None:
    answer = seller.http.post(path, content=TOO_LARGE, headers={"Content-Type": "text/plain"})

    assert code(answer) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "multipart/form-data"])
def test_415_comes_before_400(seller: Seller, path: str, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    answer = seller.http.post(path, content=b"not json", headers=headers)

    assert code(answer) == (415, "NOT_JSON")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.ota+json"]
)
def test_json_by_its_other_names_is_taken(seller: Seller, content_type: str) -> None:
    body = f'{{"product_id":{seller.product_id},"quantity":1,"batch_id":"B"}}'

    assert seller.http.post(GENERATE, content=body, headers={"Content-Type": content_type}).status_code == 201


def test_400_comes_before_422_and_404(seller: Seller) -> None:
    seller.tickets(headers={"Idempotency-Key": "used"})

    generated = seller.generate(0, product_id=1, headers={"Idempotency-Key": "used"})

    assert code(generated) == (400, "INVALID_REQUEST")
    for path in (ACTIVATE, DRAW, ORDER):
        assert code(seller.http.post(path, content=b"{}", headers=JSON)) == (400, "INVALID_REQUEST")


def test_422_comes_before_404_and_409(seller: Seller) -> None:
    key = {"Idempotency-Key": "used"}
    [sold] = seller.tickets(batch_id="first", headers=key)
    seller.activate(sold, headers=key)

    assert code(seller.generate(1, product_id=1, headers=key)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert code(seller.generate(2, batch_id="first", headers=key)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert code(seller.activate(UNKNOWN_CODE, headers=key)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert code(seller.activate("malformed", headers=key)) == (422, "IDEMPOTENCY_KEY_REUSED")
    again = seller.activate(sold, headers=key, payment_reference="another")
    assert code(again) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_404_comes_before_409(seller: Seller) -> None:
    seller.tickets(batch_id="first")

    assert code(seller.generate(1, batch_id="first", product_id=1)) == (404, "PRODUCT_UNKNOWN")


def test_an_unknown_path_is_404_and_a_wrong_method_405_with_those_allowed(shop: Shop) -> None:
    client = shop.client()

    unknown = client.get("/api/ota/nothing")
    wrong = client.delete(GENERATE)

    assert code(unknown) == (404, "NOT_FOUND")
    assert code(wrong) == (405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"] == "POST"


def test_a_request_id_is_taken_over_when_it_is_fit_for_a_log_and_made_otherwise(service: Service) -> None:
    client = httpx.Client(base_url=service.url, trust_env=False, verify=NO_TLS)

    given = client.get("/healthz", headers={"X-Request-Id": "partner-77"})
    unfit = client.get("/healthz", headers={"X-Request-Id": "two words"})

    assert given.headers["X-Request-Id"] == "partner-77"
    assert unfit.headers["X-Request-Id"] != "two words"
    assert len(unfit.headers["X-Request-Id"]) == 32
