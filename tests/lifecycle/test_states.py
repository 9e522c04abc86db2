"""The state machine as the database keeps it, against SQL that asks for what no operation does; and as it is drawn."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from support.gate import gate_client
from support.shop import Seller, Shop, unique

from premade.expiry.expire import expire_now
from premade.runtime.clock import Runtime
from premade.tickets.ticket import ALLOWED_CHANGES, FINAL, Status

STATES_PAGE = Path(__file__).parents[2] / "docs" / "states.md"
USED_ONCE = 'first_used_at = now(), entitlements = \'[{"function_code": "ferry", "remaining_uses": %d}]\''
STARTS_AND_ENDS = {(None, Status.PRE_GENERATED), *((status, None) for status in FINAL)}


@pytest.fixture
def seller(shop: Shop) -> Seller:
    """Of a product that is used twice."""
    return shop.seller(functions={"ferry": 2})


def change(shop: Shop, code: str, to: str) -> None:
    shop.sql(f"UPDATE pre_generated_tickets SET {to} WHERE ticket_code = %s", code)


def sold(seller: Seller) -> str:
    [code] = seller.tickets()
    assert seller.activate(code).status_code == 200
    return code


def history(seller: Seller, code: str) -> list[dict[str, Any]]:
    """Each event without its time, and without what it does not tell."""
    told = seller.http.get(f"/api/ota/tickets/{code}").json()["history"]
    return [
        {name: value for name, value in event.items() if value is not None and name != "occurred_at"}
        for event in told
    ]


def assert_refused(shop: Shop, code: str, to: str) -> None:
    before = shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", code)
    with pytest.raises(psycopg.errors.CheckViolation, match="ticket state machine"):
        change(shop, code, to)
    assert shop.sql("SELECT * FROM pre_generated_tickets WHERE ticket_code = %s", code) == before


@pytest.mark.parametrize(
    "to",
    [
        f"status = 'USED', {USED_ONCE % -1}",
        f"status = 'USED', {USED_ONCE % 1}",
        USED_ONCE % 0,
        (USED_ONCE % 1).replace("now()", "NULL"),
        f"status = 'CANCELLED', {USED_ONCE % 1}",
        "status = 'USED', first_used_at = now()",
    ],
    ids=[
        "below zero",
        "used with a use left",
        "active with none left",
        "without its time",
        "while cancelled",
        "used without a use",
    ],
)
def test_the_database_refuses_a_use_that_does_not_add_up(seller: Seller, shop: Shop, to: str) -> None:
    assert_refused(shop, sold(seller), to)


def test_what_was_not_sold_is_not_used(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()

    assert_refused(shop, code, USED_ONCE % 1)


def test_that_a_ticket_was_used_is_never_forgotten_so_that_it_is_never_taken_back(
    seller: Seller, shop: Shop
) -> None:
    code = sold(seller)
    change(shop, code, USED_ONCE % 1)

    assert_refused(shop, code, "first_used_at = NULL")
    assert_refused(shop, code, "first_used_at = NULL, status = 'CANCELLED'")
    assert_refused(shop, code, "status = 'CANCELLED'")


def test_a_first_use_may_turn_out_to_have_been_earlier(seller: Seller, shop: Shop) -> None:
    code = sold(seller)
    change(shop, code, USED_ONCE % 1)

    change(shop, code, "first_used_at = first_used_at - interval '1 hour'")


def test_a_ticket_is_used_from_the_use_that_leaves_nothing(seller: Seller, shop: Shop) -> None:
    gate, code = gate_client(shop, seller.name), sold(seller)
    token = seller.http.get(f"/api/ota/tickets/{code}").json()["qr_token"]
    scan = {"qr": token, "function_code": "ferry", "device_id": "gate-1"}

    for expected in ("ACTIVE", "USED"):
        assert gate.post("/api/gate/redemptions", json={**scan, "scan_id": unique("scan")}).status_code == 200
        assert seller.http.get(f"/api/ota/tickets/{code}").json()["status"] == expected

    assert history(seller, code)[-1] == {
        "event": "ticket.redeemed", "function_code": "ferry", "uses": 1, "device_id": "gate-1",
    }  # fmt: skip
    assert [event["event"] for event in history(seller, code)] == [
        "ticket.generated", "ticket.activated", "ticket.redeemed", "ticket.redeemed",
    ]  # fmt: skip


def test_that_a_ticket_expired_stands_in_its_history(seller: Seller, shop: Shop) -> None:
    today = datetime.now(UTC)
    [code] = seller.tickets(valid_until=str((today + timedelta(days=1)).date()))
    then = Runtime(ZoneInfo("UTC"), now=lambda: today + timedelta(days=3))

    replace(shop, runtime=then).operate(
        lambda database, runtime: expire_now(database, runtime, report=lambda _: None)
    )

    assert [event["event"] for event in history(seller, code)] == ["ticket.generated", "ticket.expired"]


def test_the_states_are_drawn_as_they_are() -> None:
    drawing = STATES_PAGE.read_text().split("```")[1]

    drawn = {
        tuple(None if end == "[*]" else Status(end) for end in arrow)
        for arrow in re.findall(r"^ *(\S+) --> ([^\s:]+)", drawing, re.MULTILINE)
    }

    assert drawn == ALLOWED_CHANGES | STARTS_AND_ENDS
