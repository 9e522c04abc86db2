"""A new QR in place of the old: the next issue number, a new token; a retry gets the same one."""

import base64
from typing import Any

import pytest
from support.shop import Seller, Shop, unique
from support.taking_back import REASON, USED_UP, caller_of, cancel, events, reissue

from premade.postgres.database import Database
from premade.reissue.reissue import Reissued, Reissuer, ReissueRequest
from premade.runtime.clock import Runtime
from premade.tickets.code import Token, read_token
from premade.tickets.signing import Signers


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def public_keys(shop: Shop) -> dict[str, bytes]:
    return {row["key_id"]: row["public_key"] for row in shop.sql("SELECT * FROM signing_keys")}


@pytest.mark.parametrize("state", ["PRE_GENERATED", "ACTIVE"])
def test_a_reissue_makes_the_next_token_and_changes_nothing_else(
    seller: Seller, shop: Shop, state: str
) -> None:
    [code] = seller.tickets()
    if state == "ACTIVE":
        seller.activate(code)
    before = seller.http.get(f"/api/ota/tickets/{code}").json()

    answer = reissue(seller, code)

    told, after = answer.json(), seller.http.get(f"/api/ota/tickets/{code}").json()
    assert answer.status_code == 200
    assert (told["ticket_code"], told["status"], told["issue_number"], told["reason"]) == (
        code,
        state,
        2,
        REASON,
    )
    assert told["entitlements"] == before["entitlements"]
    token = read_token(told["qr_token"], public_keys(shop))
    assert token == Token(code, 2, token.key_id if token else "")
    assert base64.b64decode(told["qr_code"]).startswith(b"\x89PNG")
    assert after == {
        **before,
        "issue_number": 2,
        "qr_token": told["qr_token"],
        "qr_code": told["qr_code"],
        "history": [*before["history"], after["history"][-1]],
    }
    event = after["history"][-1]
    assert (event["event"], event["issue_number"], event["reason"]) == ("ticket.reissued", 2, REASON)
    assert told["qr_token"] != before["qr_token"]


def test_the_record_says_who_reissued_what_and_why_and_keeps_no_token(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    answer = reissue(seller, code)

    [event] = events(shop, seller, "ticket.reissued")

    assert (event["actor"], event["ticket_code"]) == (f"key:{seller.key_id}", code)
    assert (event["data"]["reason"], event["data"]["issue_number"]) == (REASON, 2)
    assert answer.json()["qr_token"] not in str(event)


@pytest.mark.parametrize("state", ["USED", "CANCELLED", "EXPIRED"])
def test_what_opens_no_gate_any_more_is_not_reissued(seller: Seller, shop: Shop, state: str) -> None:
    [code] = seller.tickets()
    if state == "USED":
        seller.activate(code)
    change = USED_UP if state == "USED" else f"status = '{state}'"
    shop.sql(f"UPDATE pre_generated_tickets SET {change} WHERE ticket_code = %s", code)

    assert refusal(reissue(seller, code)) == (409, f"TICKET_{state}")
    assert seller.http.get(f"/api/ota/tickets/{code}").json()["issue_number"] == 1


def test_an_unsold_ticket_past_its_last_day_is_not_reissued_though_it_is_not_yet_marked_expired(
    seller: Seller, shop: Shop
) -> None:
    [code] = seller.tickets()
    shop.sql("UPDATE pre_generated_tickets SET valid_until = '2020-01-01' WHERE ticket_code = %s", code)

    answer = reissue(seller, code)

    assert refusal(answer) == (409, "TICKET_EXPIRED")
    assert answer.json()["valid_until"] == "2020-01-01"


def test_the_999th_issue_is_the_last(seller: Seller, shop: Shop) -> None:
    [code] = seller.tickets()
    shop.sql("UPDATE pre_generated_tickets SET issue_number = 998 WHERE ticket_code = %s", code)

    assert reissue(seller, code).json()["issue_number"] == 999
    assert refusal(reissue(seller, code)) == (409, "ISSUE_LIMIT")


def test_a_retry_with_the_same_key_gets_the_same_token_whatever_happened_since(
    seller: Seller, shop: Shop
) -> None:
    [code] = seller.tickets()

    first = reissue(seller, code, key="k")
    seller.activate(code)
    reissue(seller, code)
    cancel(seller, code)
    again = reissue(seller, code, key="k")

    assert first.json() == again.json()
    assert (first.headers.get("Idempotency-Replayed"), again.headers.get("Idempotency-Replayed")) == (
        None,
        "true",
    )
    assert len(events(shop, seller, "ticket.reissued")) == 2


def test_a_batch_is_answered_again_as_it_was_made_also_after_a_reissue(seller: Seller) -> None:
    wanted: dict[str, Any] = {"batch_id": unique("BATCH"), "headers": {"Idempotency-Key": "k"}}
    first = seller.generate(3, **wanted)
    reissue(seller, first.json()["tickets"][1]["ticket_code"])

    again = seller.generate(3, **wanted)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json() == again.json()


def test_after_a_change_of_the_signing_key_the_new_one_signs_and_a_replay_is_signed_by_the_old(
    seller: Seller, shop: Shop
) -> None:
    [code] = seller.tickets(batch_id=(batch_id := unique("BATCH")), headers={"Idempotency-Key": "k"})
    made = seller.generate(1, batch_id=batch_id, headers={"Idempotency-Key": "k"}).json()

    async def reissue_here(database: Database, runtime: Runtime, key: str) -> Reissued:
        reissuer = Reissuer(database, runtime, Signers(database, runtime))
        return await reissuer.reissue(ReissueRequest(caller_of(seller), "r", code, REASON, key))

    first = shop.operate(lambda database, runtime: reissue_here(database, runtime, "one"))
    [old] = shop.sql("SELECT key_id FROM signing_keys WHERE retired_at IS NULL AND key_id LIKE 'K%%'")
    # Of the tests' own, retired again at the end: no other test is to see it.
    shop.sql(
        "INSERT INTO signing_keys (key_id, seed, public_key, created_at)"
        " SELECT 'K900', sha256('900'), public_key, now() + interval '1 hour' FROM signing_keys WHERE key_id = %s",
        old["key_id"],
    )
    try:
        second = shop.operate(lambda database, runtime: reissue_here(database, runtime, "two"))
        replayed = shop.operate(lambda database, runtime: reissue_here(database, runtime, "one"))
    finally:
        shop.sql("UPDATE signing_keys SET retired_at = now() WHERE key_id = 'K900'")
    afterwards = shop.operate(lambda database, runtime: reissue_here(database, runtime, "two"))

    assert first.token.split(":")[2:4] == ["2", old["key_id"]]
    assert second.token.split(":")[2:4] == ["12", "K900"]
    assert (replayed.token, afterwards.token) == (first.token, second.token)
    assert seller.generate(1, batch_id=batch_id, headers={"Idempotency-Key": "k"}).json() == made
