"""What a client can send to make a service stumble: each is answered with 400 and a name, and writes nothing."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support.shop import Seller, Shop, unique

from premade.http.json_body import read_json

NOTHING = "a request that is refused writes nothing"


def post_raw(seller: Seller, body: bytes | str, **headers: str) -> httpx.Response:
    return seller.http.post(
        "/api/ota/tickets/bulk-generate",
        content=body,
        headers={"Content-Type": "application/json", **headers},
    )


def generate_with(seller: Seller, **raw: str) -> httpx.Response:
    """A body of raw JSON members: `quantity="1e400"` sends that, not a string."""
    members = {
        "product_id": str(seller.product_id),
        "quantity": "1",
        "batch_id": json.dumps(unique("BATCH")),
        **raw,
    }
    return post_raw(seller, "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}")


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "INVALID_REQUEST"
    assert {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"} <= set(problem)
    assert all(error["detail"] for error in problem["errors"])
    return [error["pointer"] for error in problem["errors"]]


def assert_nothing_written(shop: Shop, seller: Seller) -> None:
    for table in ("batches", "pre_generated_tickets", "ota_orders"):
        assert shop.sql(f"SELECT FROM {table} WHERE partner_id = %s", seller.partner_id) == [], table


@pytest.mark.parametrize(
    "quantity",
    [
        '"50"',
        "50.0",
        "50.5",
        "true",
        "NaN",
        "1e400",
        "-1e400",
        "Infinity",
        "null",
        "[]",
        "{}",
        "0",
        "101",
        "-1",
        "1" + "0" * 30,
    ],
)
def test_a_quantity_that_is_no_integer_from_1_to_100(seller: Seller, shop: Shop, quantity: str) -> None:
    assert pointers(generate_with(seller, quantity=quantity)) == ["#/quantity"]
    assert_nothing_written(shop, seller)


@pytest.mark.parametrize(
    "product_id", ["9223372036854775808", "-9223372036854775809", "1" + "0" * 30, '"106"', "1.0"]
)
def test_a_product_id_beyond_64_bits_or_no_integer(seller: Seller, product_id: str) -> None:
    assert pointers(generate_with(seller, product_id=product_id)) == ["#/product_id"]


@pytest.mark.parametrize("product_id", ["0", "-5", "9223372036854775807"])
def test_a_product_id_that_fits_but_is_no_product(seller: Seller, product_id: str) -> None:
    assert generate_with(seller, product_id=product_id).status_code == 404


@pytest.mark.parametrize(
    "batch_id", ['""', '"   "', '"a b"', '"é"', '"' + "x" * 65 + '"', r'"\u0000"', r'"\ud800"', "7"]
)
def test_a_batch_id_of_other_characters(seller: Seller, shop: Shop, batch_id: str) -> None:
    assert pointers(generate_with(seller, batch_id=batch_id)) == ["#/batch_id"]
    assert_nothing_written(shop, seller)


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(2**63), 1e300, -1.5, 12345678901234567890.0])
def test_metadata_keeps_every_number_that_it_takes(seller: Seller, number: float) -> None:
    answer = generate_with(seller, metadata=json.dumps({"n": number, "s": "1234567890123456789012"}))
    assert answer.json()["metadata"] == {"n": number, "s": "1234567890123456789012"}


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        (r'{"campaign":"\u0000"}', "#/metadata/campaign"),
        (r'{"a\u0000b":1}', r"#/metadata/a\0b"),
        (r'{"a":[1,"\ud800"]}', "#/metadata/a/1"),
        ('{"a":NaN}', "#/metadata/a"),
        ('{"a":1,"a":2}', "#/metadata/a"),
        ('{"a":12345678901234567890123}', "#/metadata/a"),
        ('{"a":[-9223372036854775809]}', "#/metadata/a/0"),
        ('{"a/b":{"c~d":1e999}}', "#/metadata/a~1b/c~0d"),
        ("[]", "#/metadata"),
        ('"text"', "#/metadata"),
        (json.dumps({"x": "y" * 5000}), "#/metadata"),
    ],
)
def test_metadata_that_cannot_be_kept(seller: Seller, shop: Shop, metadata: str, pointer: str) -> None:
    assert pointers(generate_with(seller, metadata=metadata)) == [pointer]
    assert_nothing_written(shop, seller)


def test_metadata_of_just_4_kib_is_kept_and_one_byte_more_is_not(seller: Seller, shop: Shop) -> None:
    fits = {"x": "y" * (4096 - len('{"x":""}'))}

    assert seller.generate(1, batch_id="fits", metadata=fits).json()["metadata"] == fits
    assert pointers(seller.generate(1, metadata={"x": fits["x"] + "y"})) == ["#/metadata"]
    assert shop.sql("SELECT metadata FROM batches WHERE partner_id = %s", seller.partner_id) == [
        {"metadata": fits}
    ]


@pytest.mark.parametrize(
    "day", ['"2026-02-30"', '"31.03.2099"', '"2099-03-31T00:00:00Z"', "20990331", '"2001-01-01"', "true"]
)
def test_a_last_day_of_sale_that_is_no_day_or_over(seller: Seller, day: str) -> None:
    assert pointers(generate_with(seller, valid_until=day)) == ["#/valid_until"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{",
        b'{"quantity":1}}',
        b"\xff\xfe",
        b'{"batch_id":"\xc3\x28"}',
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"metadata":' + b"[" * 500 + b"]" * 500 + b"}",
        b"'single'",
        b"9" * 5000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_or_nested_too_deeply(seller: Seller, shop: Shop, body: bytes) -> None:
    assert pointers(post_raw(seller, body))[0] == "#"
    assert_nothing_written(shop, seller)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"', b"true"])
def test_a_body_that_is_json_but_no_object(seller: Seller, body: bytes) -> None:
    assert pointers(post_raw(seller, body)) == ["#"]


def test_every_wrong_field_is_named_at_once(seller: Seller, shop: Shop) -> None:
    answer = seller.http.post(
        "/api/ota/tickets/bulk-generate?dry-run=true&dry_run=perhaps",
        content=r'{"product_id":"x","quantity":NaN,"batch_id":"\u0000","valid_until":"soon","metadata":7}',
        headers={"Content-Type": "application/json", "Idempotency-Key": "a b"},
    )

    assert sorted(pointers(answer)) == sorted(
        [
            "header#/Idempotency-Key",
            "query#/dry-run",
            "query#/dry_run",
            "#/product_id",
            "#/quantity",
            "#/batch_id",
            "#/valid_until",
            "#/metadata",
        ]
    )
    assert_nothing_written(shop, seller)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("email", "a\0@example.com"),
        ("phone", "+1234567890\0"),
        ("name", 7),
    ],
)
def test_customer_details_with_what_postgresql_cannot_store(seller: Seller, field: str, value: Any) -> None:
    [code] = seller.tickets()
    details = {"name": "John", "email": "john@example.com", "phone": "+1234567890", field: value}
    body = json.dumps({"customer_details": details, "payment_reference": "P"})

    answer = seller.http.post(
        f"/api/ota/tickets/{code}/activate", content=body, headers={"Content-Type": "application/json"}
    )

    assert pointers(answer) == [f"#/customer_details/{field}"]
    assert seller.http.get(f"/api/ota/tickets/{code}").json()["status"] == "PRE_GENERATED"


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, "é"])
def test_an_idempotency_key_of_other_characters(seller: Seller, key: str) -> None:
    answer = seller.generate(1, headers={"Idempotency-Key": key.encode("latin-1")})

    assert pointers(answer) == ["header#/Idempotency-Key"]


def test_two_idempotency_keys_or_two_flags_are_refused(seller: Seller) -> None:
    body = {"product_id": seller.product_id, "quantity": 1, "batch_id": "B"}
    twice = seller.http.post(
        "/api/ota/tickets/bulk-generate?dry_run=true&dry_run=false",
        json=body,
        headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    )

    assert sorted(pointers(twice)) == ["header#/Idempotency-Key", "query#/dry_run"]


@pytest.mark.parametrize(
    "path", ["%00", "%2F", "%FF", "..%2f..", "x" * 4000, "CRUISE-2025-FERRY-17622742859821", "é"]
)
def test_a_malformed_ticket_code_is_unknown(seller: Seller, path: str) -> None:
    sale = {
        "customer_details": {"name": "J", "email": "j@example.com", "phone": "+1234567890"},
        "payment_reference": "P",
    }

    assert seller.http.post(f"/api/ota/tickets/{path}/activate", json=sale).status_code == 404
    assert seller.http.get(f"/api/ota/tickets/{path}").status_code == 404
    assert seller.http.get(f"/api/ota/orders/{path}").status_code == 404


@pytest.mark.parametrize("framing", ["Content-Length: 12582912", "Transfer-Encoding: chunked"])
def test_a_body_of_12_mb_is_refused_while_it_is_still_coming_in(seller: Seller, framing: str) -> None:
    address = urlsplit(str(seller.http.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(
            (
                "POST /api/ota/tickets/bulk-generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"X-API-Key: {seller.key}\r\n{framing}\r\n\r\n"
            ).encode()
        )
        piece = b" " * 65536
        for _ in range(20):  # a little more than the limit, far from the end
            client.sendall(b"10000\r\n" + piece + b"\r\n" if "chunked" in framing else piece)
        answer = ""
        while "BODY_TOO_LARGE" not in answer:
            received = client.recv(65536)
            assert received, answer
            answer += received.decode()

    assert answer.startswith("HTTP/1.1 413 ")
    assert "connection: close" in answer.lower()


def test_a_big_integer_in_metadata_is_refused_whichever_reader_meets_it(seller: Seller) -> None:
    plain = generate_with(seller, metadata='{"n":123456789012345678901234567890}')
    with_escape = generate_with(seller, metadata=r'{"n":123456789012345678901234567890,"s":"\\u0000"}')
    with_trap = generate_with(seller, metadata=r'{"n":123456789012345678901234567890,"s":"\u0000"}')

    assert pointers(plain) == pointers(with_escape) == ["#/metadata/n"]
    assert pointers(with_trap) == ["#/metadata/n", "#/metadata/s"]


@pytest.mark.parametrize(
    "body",
    [
        "{" + ",".join(f'"{number}":1' for number in range(80_000)) + ',"7":2}',
        '{"' + "k" * 400_000 + '":[' + ",".join("0" * 300_000) + r'],"s":"\u0000"}',
        "[" + ",".join([r'"\u0000"'] * 100_000) + "]",
    ],
    ids=["keys", "pointers", "errors"],
)
def test_a_body_made_to_be_slow_is_refused_quickly(seller: Seller, body: str) -> None:
    started = time.monotonic()

    found = pointers(post_raw(seller, body))

    # Each took minutes where the work grew with the square of the body.
    assert time.monotonic() - started < 5
    assert 1 <= len(found) <= 110


def test_a_long_string_of_colons_keeps_the_service_busy_for_no_time() -> None:
    raw = b'{"a":"' + b":" * 1_000_000 + b'"}'
    started = time.process_time()

    assert read_json(raw)[1] == []

    assert time.process_time() - started < 0.2
