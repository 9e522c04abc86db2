"""Requests of the gate page, sent by a program: who may send them, test mode, and one scan that two guards send."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from browser.gate_page import SCANS, uses_of
from browser.visitors import Visitor, visitor
from gate.conftest import Ticket, sold
from support.shop import Seller, Shop, unique

from premade.runtime.clock import rfc3339

GATE = "/console/gate"
REFUSED = {True: "LIVE_TICKET", False: "TEST_TICKET"}
"""By whether the gate is in test mode."""


@pytest.fixture
def guard(shop: Shop) -> Iterator[Visitor]:
    with visitor(shop, "gate") as guard:
        yield guard


@pytest.fixture
def tester(shop: Shop) -> Seller:
    return shop.seller(is_test=True)


def ask(guard: Visitor, what: str, body: dict[str, Any], *, test_mode: bool) -> httpx.Response:
    token = guard.http.get(f"{GATE}/session").json()["form_token"]
    return guard.http.post(
        f"{GATE}/{what}",
        params={"test_mode": str(test_mode).lower()},
        headers={"X-Form-Token": token},
        json={"device_id": "GATE-1", **body},
    )


def offline(ticket: Ticket, scan_id: str | None = None) -> dict[str, Any]:
    return {
        "scan_id": scan_id or unique("scan"),
        "qr": ticket.qr,
        "function_code": "ferry",
        "scanned_at": rfc3339(datetime.now(UTC) - timedelta(minutes=10)),
    }


def remaining(shop: Shop, ticket: Ticket) -> int:
    [row] = shop.sql("SELECT entitlements FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    return row["entitlements"][0]["remaining_uses"]


@pytest.mark.parametrize("is_test_ticket", [False, True], ids=["live ticket", "test ticket"])
@pytest.mark.parametrize("test_mode", [False, True], ids=["live gate", "test gate"])
def test_each_mode_admits_its_own_kind_of_ticket_only(
    shop: Shop, guard: Visitor, seller: Seller, tester: Seller, *, test_mode: bool, is_test_ticket: bool
) -> None:
    [ticket] = sold(tester if is_test_ticket else seller)
    is_own = test_mode is is_test_ticket
    scan = {"function_code": "ferry", "scan_id": unique("scan")}

    looked_at = ask(guard, "inspect", {"qr": ticket.qr}, test_mode=test_mode)
    assert looked_at.status_code == 200, looked_at.text
    assert (looked_at.json()["is_admitted"], looked_at.json()["refusal"]) == (
        is_own,
        None if is_own else REFUSED[test_mode],
    )
    scanned = ask(guard, "redemptions", {**scan, "qr": ticket.qr}, test_mode=test_mode)
    typed = ask(
        guard,
        "redemptions",
        {**scan, "scan_id": unique("scan"), "ticket_code": ticket.code, "phone_last4": "7890"},
        test_mode=test_mode,
    )
    synced = ask(guard, "sync", {"redemptions": [offline(ticket)]}, test_mode=test_mode)
    [result] = synced.json()["results"]

    if is_own:
        assert (scanned.status_code, typed.status_code) == (200, 200), (scanned.text, typed.text)
        # It was good for two.
        assert (result["outcome"], result["code"]) == ("conflict", "USED_UP")
        assert remaining(shop, ticket) == 0
    else:
        for answer in (scanned, typed):
            assert (answer.status_code, answer.json()["code"]) == (409, REFUSED[test_mode])
        assert (result["outcome"], result["code"]) == ("conflict", REFUSED[test_mode])
        assert remaining(shop, ticket) == 2


@pytest.mark.parametrize("test_mode", [False, True], ids=["live gate", "test gate"])
def test_the_list_of_each_mode_holds_its_own_kind_only(
    guard: Visitor, seller: Seller, tester: Seller, *, test_mode: bool
) -> None:
    [live], [trial] = sold(seller), sold(tester)
    answer = guard.http.get(f"{GATE}/snapshot", params={"test_mode": str(test_mode).lower()})
    head, *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert head["test"] is test_mode
    codes = {line["ticket_code"] for line in lines}
    assert (live.code in codes, trial.code in codes) == (not test_mode, test_mode)

    # A list of the other mode cannot be continued: the answer is a whole list.
    other = guard.http.get(
        f"{GATE}/snapshot", params={"test_mode": str(not test_mode).lower(), "since": last["next"]}
    )
    assert json.loads(other.text.splitlines()[0])["snapshot"] == "full"


@pytest.mark.parametrize("test_mode", ["2", "constructor", ""])
def test_a_mode_that_there_is_not_is_refused(guard: Visitor, test_mode: str) -> None:
    answer = guard.http.get(f"{GATE}/snapshot", params={"test_mode": test_mode})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "query#/test_mode")


@pytest.mark.parametrize("sent_again", ["in the upload", "as a scan"])
def test_a_scan_whose_answer_was_lost_is_sent_by_the_next_guard_and_used_once(
    shop: Shop, guard: Visitor, seller: Seller, sent_again: str
) -> None:
    """The scan was used up; the browser does not know, keeps it, and sends it after another guard signed in."""
    [ticket] = sold(seller)
    scan_id = unique("scan")
    first = ask(
        guard,
        "redemptions",
        {"qr": ticket.qr, "function_code": "ferry", "scan_id": scan_id},
        test_mode=False,
    )
    assert first.status_code == 200

    with visitor(shop, "gate") as next_guard:
        again = [
            ask(next_guard, "sync", {"redemptions": [offline(ticket, scan_id)]}, test_mode=False)
            if sent_again == "in the upload"
            else ask(
                next_guard,
                "redemptions",
                {"qr": ticket.qr, "function_code": "ferry", "scan_id": scan_id},
                test_mode=False,
            )
            for _ in range(2)
        ]
    for answer in again:
        assert answer.status_code == 200, answer.text
        if sent_again == "in the upload":
            [result] = answer.json()["results"]
            assert result["outcome"] == "accepted", result
    assert remaining(shop, ticket) == 1
    uses = shop.sql(
        "SELECT actor FROM audit_events WHERE ticket_code = %s AND event = 'ticket.redeemed'", ticket.code
    )
    assert len(uses) == 1


JUNK = [b"", b"{", b'"\\ud800"', b'{"qr":"\\u0000"}', b'{"uses":1e400}', b"[" * 200, b"\xff"]


def test_a_request_needs_a_session_its_token_and_a_page_of_the_console(
    shop: Shop, guard: Visitor, seller: Seller
) -> None:
    [ticket] = sold(seller)
    body = {
        "qr": ticket.qr,
        "function_code": "ferry",
        "device_id": unique("device"),
        "scan_id": unique("scan"),
    }
    token = {"X-Form-Token": guard.http.get(f"{GATE}/session").json()["form_token"]}

    def refusal(client: httpx.Client, headers: dict[str, str]) -> tuple[int, str]:
        response = client.post(SCANS, json=body, headers=headers)
        return response.status_code, response.json()["code"]

    foreign = (403, "FORM_FOREIGN")
    assert refusal(guard.http, {}) == foreign
    assert refusal(guard.http, {"X-Form-Token": ""}) == foreign
    assert refusal(guard.http, {"X-Form-Token": "0" * 64}) == foreign
    assert refusal(guard.http, {**token, "Sec-Fetch-Site": "cross-site"}) == foreign
    with shop.client() as nobody:
        assert refusal(nobody, {**token, "Sec-Fetch-Site": "same-origin"}) == (403, "SESSION_OVER")
    with visitor(shop, "finance") as finance:
        assert refusal(finance.http, token) == foreign
        for path in ("session", "snapshot"):
            assert finance.http.get(f"{GATE}/{path}").json()["code"] == "ROLE_MISSING"
    assert uses_of(shop, ticket) == []
    assert guard.http.post(SCANS, json=body, headers=token).status_code == 200


def test_malformed_requests_are_refused(guard: Visitor) -> None:
    token = guard.http.get(f"{GATE}/session").json()["form_token"]
    headers = {"X-Form-Token": token, "Content-Type": "application/json"}
    for path in ("redemptions", "inspect", "sync"):
        for junk in JUNK:
            response = guard.http.post(f"{GATE}/{path}", content=junk, headers=headers)
            assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST"), (path, junk)
    for since in ("", "x", "\0", "9" * 300):
        assert guard.http.get(f"{GATE}/snapshot", params={"since": since}).status_code == 400


def test_the_pages_of_the_gate_load_only_what_the_console_serves(guard: Visitor) -> None:
    for path in (GATE, f"{GATE}/offline"):
        response = guard.http.get(path)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert policy.endswith("; worker-src 'self'")
        # The page that is stored in the browser names nobody.
        assert (guard.name in response.text) == (path == GATE)
