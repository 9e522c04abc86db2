"""A partner sees its own and nothing else; a key ends within seconds; the log keeps secrets."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.service import Service
from support.shop import Seller, Shop

from premade.partners.keys import create_key, list_keys, revoke_key, rotate_key
from premade.partners.partner import set_disabled

STOP_SECONDS_MAX = 5
IN_A_ROW = 20
LOG_EXTRAS = {"event", "level", "timestamp", "request_id"}


def wait_until_refused(shop: Shop, key: str) -> None:
    """Over fresh connections, so that every worker is asked."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    refused = 0
    while refused < IN_A_ROW:
        assert time.monotonic() < deadline, "the key still works"
        with shop.client(key) as client:
            status = client.get("/api/ota/inventory").status_code
        refused = refused + 1 if status == 401 else 0


def comparable(answer: httpx.Response, code: str) -> dict[str, Any]:
    problem = {name: value for name, value in answer.json().items() if name not in {"request_id", "instance"}}
    return {**problem, "detail": problem["detail"].replace(code, "CODE"), "status": answer.status_code}


def test_another_partner_s_ticket_and_order_look_like_unknown_ones(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    order_id = seller.activate(code).json()["order_id"]
    other = shop.seller()
    no_code, no_order = "CRUISE-2025-FERRY-0000000000000", "ORD-0000000000000"

    answers = [
        [comparable(other.activate(each), each) for each in (code, no_code)],
        [comparable(other.http.get(f"/api/ota/tickets/{each}"), each) for each in (code, no_code)],
        [comparable(other.http.get(f"/api/ota/orders/{each}"), each) for each in (order_id, no_order)],
    ]

    for theirs, nobody_s in answers:
        assert theirs["status"] == 404
        assert theirs["detail"].startswith("There is no ")
        assert theirs == nobody_s
    assert other.http.get("/api/ota/inventory").json()["items"][0]["product_id"] == other.product_id


def test_partners_of_one_channel_share_its_stock_and_not_their_tickets(shop: Shop) -> None:
    first = shop.seller(stock=3)
    second = shop.seller()
    shop.sql("UPDATE partners SET channel = %s WHERE partner_id = %s", first.channel, second.partner_id)
    late = shop.client(shop.key(second.name, ["tickets:bulk-generate"]).key)

    codes = first.tickets(2)
    body = {"product_id": first.product_id, "quantity": 2, "batch_id": "B"}
    refused = late.post("/api/ota/tickets/bulk-generate", json=body)

    assert (refused.status_code, refused.json()["available"]) == (409, 1)
    assert second.http.get(f"/api/ota/tickets/{codes[0]}").status_code == 404


def test_the_operator_s_key_sells_nothing(shop: Shop) -> None:
    made = shop.operate(
        lambda database, runtime: create_key(
            database, runtime, partner=None, permissions=["tickets:activate", "tickets:read"]
        )
    )

    answer = shop.client(made.key).get("/api/ota/tickets/CRUISE-2025-FERRY-0000000000000")

    assert (answer.status_code, answer.json()["code"]) == (403, "PARTNER_KEY_NEEDED")


def test_an_expired_key_is_refused(seller: Seller, shop: Shop) -> None:
    made = shop.key(seller.name, ["inventory:read"], expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert shop.client(made.key).get("/api/ota/inventory").status_code == 200

    shop.sql("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", made.id)

    wait_until_refused(shop, made.key)


def test_a_revoked_key_stops_in_every_process(seller: Seller, shop: Shop) -> None:
    assert seller.http.get("/api/ota/inventory").status_code == 200

    shop.operate(lambda database, runtime: revoke_key(database, runtime, seller.key_id))

    wait_until_refused(shop, seller.key)


@pytest.mark.nightly
def test_a_disabled_partner_stops_in_every_process_and_can_go_on(seller: Seller, shop: Shop) -> None:
    assert seller.http.get("/api/ota/inventory").status_code == 200

    shop.operate(lambda database, runtime: set_disabled(database, runtime, seller.name, disabled=True))
    wait_until_refused(shop, seller.key)
    shop.operate(lambda database, runtime: set_disabled(database, runtime, seller.name, disabled=False))

    deadline = time.monotonic() + STOP_SECONDS_MAX
    while seller.http.get("/api/ota/inventory").status_code != 200:
        assert time.monotonic() < deadline


def test_a_rotated_key_works_beside_its_successor_for_the_overlap(seller: Seller, shop: Shop) -> None:
    successor = shop.operate(
        lambda database, runtime: rotate_key(database, runtime, seller.key_id, timedelta(hours=1))
    )

    assert seller.http.get("/api/ota/inventory").status_code == 200
    assert shop.client(successor.key).get("/api/ota/inventory").status_code == 200
    assert successor.old_key_ends_at > datetime.now(UTC) + timedelta(minutes=59)


def test_a_key_is_kept_as_a_digest_with_its_last_use_and_never_logged(
    seller: Seller, shop: Shop, service: Service
) -> None:
    seller.tickets()
    shop.client(seller.key[:-1] + "x").get("/api/ota/inventory")

    [row] = [
        row for row in shop.operate(lambda database, _: list_keys(database)) if row.key_id == seller.key_id
    ]
    dump = str(shop.sql("SELECT * FROM api_keys")) + str(
        shop.sql("SELECT * FROM audit_events WHERE event LIKE 'key.%%'")
    )
    secret = seller.key.rpartition("_")[2]

    assert row.last_used_at is not None
    assert secret not in dump
    assert secret not in service.log.read_text()


@pytest.mark.parametrize("is_test", [False, True])
def test_a_test_partner_has_keys_and_stock_of_its_own(shop: Shop, *, is_test: bool) -> None:
    seller = shop.seller(is_test=is_test)

    assert seller.key.startswith("pm_test_" if is_test else "pm_live_")
    assert seller.activate(seller.tickets()[0]).status_code == 200
    [channel] = shop.sql("SELECT is_test FROM channels WHERE channel = %s", seller.channel)
    assert channel["is_test"] is is_test


def test_the_log_tells_of_a_batch_and_a_sale_with_just_the_contract_s_fields(
    seller: Seller, service: Service
) -> None:
    [code] = seller.tickets(batch_id="LOGGED", headers={"X-Request-Id": f"make-{seller.partner_id}"})
    sale = seller.activate(
        code,
        email="known.only.there@example.com",
        phone="+85298765432",
        headers={"X-Request-Id": f"sell-{code}"},
    ).json()

    lines = service.log_lines()
    [made] = [
        line
        for line in lines
        if line.get("request_id") == f"make-{seller.partner_id}" and line["event"] != "http.request"
    ]
    [sold] = [
        line for line in lines if line.get("request_id") == f"sell-{code}" and line["event"] != "http.request"
    ]
    [request] = [
        line for line in lines if line.get("request_id") == f"sell-{code}" and line["event"] == "http.request"
    ]

    assert made["event"] == "ota.tickets.bulk_generated"
    assert {name: made[name] for name in set(made) - LOG_EXTRAS} == {
        "batch_id": "LOGGED",
        "product_id": seller.product_id,
        "quantity": 1,
    }
    assert sold["event"] == "ota.tickets.activated"
    assert {name: sold[name] for name in set(sold) - LOG_EXTRAS} == {
        "ticket_code": code,
        "order_id": sale["order_id"],
        "customer_email": "known.only.there@example.com",
    }
    assert (request["partner_id"], request["key_id"], request["status"]) == (
        seller.partner_id,
        seller.key_id,
        200,
    )
    text = service.log.read_text()
    assert text.count("known.only.there@") == 1
    assert "98765432" not in text
