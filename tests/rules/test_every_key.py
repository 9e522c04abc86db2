"""Each operation with an Idempotency-Key or a scan_id keeps the same three rules: replay, refusal, one winner."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from support.gate import gate_client
from support.plain_http import NO_TLS
from support.published_texts import api
from support.shop import Seller, Shop, sale, unique

from premade.api_docs.openapi import openapi_document
from premade.audit.idempotency import KEY_CONSTRAINTS

RETRIES = 8
KEY = "first-try"


@dataclass(frozen=True)
class Prepared:
    """A request that can succeed, and another one for the same key."""

    method: str
    path: str
    body: dict[str, Any]
    other_path: str
    other_body: dict[str, Any]
    names: Callable[[dict[str, Any]], str]
    """What the refusal of the other request names: an id in the first answer."""
    client: httpx.Client | None = None
    """None: the partner's."""
    code: str = "IDEMPOTENCY_KEY_REUSED"

    @property
    def first(self) -> tuple[str, dict[str, Any]]:
        return self.path, self.body

    @property
    def other(self) -> tuple[str, dict[str, Any]]:
        return self.other_path, self.other_body


def _generate(_: Shop, seller: Seller) -> Prepared:
    body = {"product_id": seller.product_id, "quantity": 2, "batch_id": unique("BATCH")}
    path = "/api/ota/tickets/bulk-generate"
    return Prepared("POST", path, body, path, {**body, "quantity": 3}, lambda answer: answer["batch_id"])


def _activate(_: Shop, seller: Seller) -> Prepared:
    [one, two] = seller.tickets(2)
    path = "/api/ota/tickets/{}/activate"
    return Prepared(
        "POST", path.format(one), sale(), path.format(two), sale(), lambda answer: answer["order_id"]
    )


def _draw(_: Shop, seller: Seller) -> Prepared:
    batch_id = unique("BATCH")
    seller.tickets(4, batch_id=batch_id)
    path = f"/api/ota/batches/{batch_id}/activate"
    body = {**sale(), "quantity": 2}
    return Prepared("POST", path, body, path, {**body, "quantity": 1}, lambda answer: answer["order_id"])


def _order(_: Shop, seller: Seller) -> Prepared:
    body = {**sale(), "ticket_codes": seller.tickets(2)}
    other = {**body, **sale(name="Mei Wong")}
    return Prepared(
        "POST", "/api/ota/orders", body, "/api/ota/orders", other, lambda answer: answer["order_id"]
    )


def _reserve(_: Shop, seller: Seller) -> Prepared:
    body = {"product_id": seller.product_id, "quantity": 2}
    path = "/api/ota/reservations"
    return Prepared(
        "POST", path, body, path, {**body, "quantity": 3}, lambda answer: answer["reservation_id"]
    )


def _release(_: Shop, seller: Seller) -> Prepared:
    one, two = (f"/api/ota/reservations/{seller.hold(2)}" for _ in range(2))
    return Prepared("DELETE", one, {}, two, {}, lambda answer: answer["reservation_id"])


def _cancel(_: Shop, seller: Seller) -> Prepared:
    [code] = seller.tickets()
    path = f"/api/ota/tickets/{code}/cancel"
    return Prepared(
        "POST", path, {"reason": "one"}, path, {"reason": "two"}, lambda answer: answer["ticket_code"]
    )


def _cancel_batch(_: Shop, seller: Seller) -> Prepared:
    batch_id = unique("BATCH")
    seller.tickets(3, batch_id=batch_id)
    path = f"/api/ota/batches/{batch_id}/cancel"
    return Prepared(
        "POST", path, {"reason": "one"}, path, {"reason": "two"}, lambda answer: answer["batch_id"]
    )


def _cancel_order(_: Shop, seller: Seller) -> Prepared:
    order_id = seller.order(seller.tickets(2)).json()["order_id"]
    path = f"/api/ota/orders/{order_id}/cancel"
    return Prepared(
        "POST", path, {"reason": "one"}, path, {"reason": "two"}, lambda answer: answer["order_id"]
    )


def _reissue(_: Shop, seller: Seller) -> Prepared:
    [one, two] = (f"/api/ota/tickets/{code}/reissue" for code in seller.tickets(2))
    body = {"reason": "lost"}
    return Prepared("POST", one, body, two, body, lambda answer: answer["ticket_code"])


def _redeem(shop: Shop, seller: Seller) -> Prepared:
    [ticket] = seller.generate().json()["tickets"]
    seller.activate(ticket["ticket_code"])
    path = "/api/gate/redemptions"
    body = {
        "qr": ticket["qr_token"],
        "function_code": "ferry",
        "device_id": "GATE-1",
        "scan_id": unique("scan"),
    }
    return Prepared(
        "POST",
        path,
        body,
        path,
        {**body, "function_code": "gift"},
        lambda _: body["scan_id"],
        client=gate_client(shop, seller.name),
        code="SCAN_ID_REUSED",
    )


OPERATIONS = {
    "bulk_generate": _generate,
    "activate": _activate,
    "draw": _draw,
    "make_order": _order,
    "reserve": _reserve,
    "release_reservation": _release,
    "cancel_ticket": _cancel,
    "cancel_order": _cancel_order,
    "cancel_batch": _cancel_batch,
    "reissue": _reissue,
    "redeem": _redeem,
}
"""By the name in the OpenAPI document."""


@pytest.fixture(params=OPERATIONS.values(), ids=list(OPERATIONS))
def prepared(request: pytest.FixtureRequest, shop: Shop, seller: Seller) -> Prepared:
    return request.param(shop, seller)


def at_once(
    seller: Seller, prepared: Prepared, requests: list[tuple[str, dict[str, Any]]]
) -> list[httpx.Response]:
    """Send the requests with one key at the same time, each over its own connection."""
    own = prepared.client or seller.http

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=own.base_url,
            headers={**own.headers, "Idempotency-Key": KEY} if prepared.client is None else own.headers,
            limits=httpx.Limits(max_connections=len(requests)),
            timeout=60,
            trust_env=False,
            verify=NO_TLS,
        ) as client:
            return await asyncio.gather(
                *(client.request(prepared.method, path, json=body or None) for path, body in requests)
            )

    return asyncio.run(run())


def send(seller: Seller, prepared: Prepared, request: tuple[str, dict[str, Any]]) -> httpx.Response:
    [answer] = at_once(seller, prepared, [request])
    return answer


def test_the_table_has_every_operation_with_a_key() -> None:
    document = openapi_document(api())
    with_key = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        and any(each.get("name") == "Idempotency-Key" for each in operation.get("parameters", []))
    }

    assert with_key == set(OPERATIONS) - {"redeem"}


def test_the_constraints_are_those_of_all_tables_with_a_key(shop: Shop) -> None:
    rows = shop.sql(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%%idempotency_key%%'"
    )

    # The trigger that writes audit_keys refuses a used key by this name.
    names = {"audit_keys_pkey": "audit_idempotency_key_taken"}
    assert {names.get(row["indexname"], row["indexname"]) for row in rows} == KEY_CONSTRAINTS


def test_a_retry_gets_the_same_answer(seller: Seller, prepared: Prepared) -> None:
    first, again = (send(seller, prepared, prepared.first) for _ in range(2))

    assert first.is_success, first.text
    assert again.status_code == first.status_code
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_request_is_refused_and_changes_nothing(seller: Seller, prepared: Prepared) -> None:
    first = send(seller, prepared, prepared.first)

    other = send(seller, prepared, prepared.other)

    assert (other.status_code, other.json()["code"]) == (422, prepared.code), other.text
    assert prepared.names(first.json()) in other.json()["detail"]
    assert send(seller, prepared, prepared.first).content == first.content


def test_of_retries_at_once_one_is_executed(seller: Seller, prepared: Prepared) -> None:
    answers = at_once(seller, prepared, [prepared.first] * RETRIES)

    assert len({(answer.status_code, answer.content) for answer in answers}) == 1, answers[0].text
    assert answers[0].is_success, answers[0].text
    replayed = Counter(answer.headers.get("Idempotency-Replayed") for answer in answers)
    assert replayed == {None: 1, "true": RETRIES - 1}


def test_of_two_requests_at_once_one_is_executed_and_the_other_refused(
    seller: Seller, prepared: Prepared
) -> None:
    first, other = at_once(seller, prepared, [prepared.first, prepared.other])

    executed, refused = (first, other) if first.is_success else (other, first)
    assert executed.is_success, executed.text
    assert (refused.status_code, refused.json()["code"]) == (422, prepared.code), refused.text
    assert prepared.names(executed.json()) in refused.json()["detail"]
