"""What a device did while it was away: used up once, or told as a conflict with both scans; never lost."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gate.conftest import Gate, Ticket, gate_of, sold, unsold
from support.shop import Seller, Shop, unique

from premade.redemption.sync import REDEMPTIONS_MAX
from premade.runtime.clock import rfc3339
from premade.tickets.code import Signer

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def use(
    ticket: Ticket, function_code: str = "ferry", *, at: datetime = AN_HOUR_AGO, **more: Any
) -> dict[str, Any]:
    """One use as the device noted it."""
    return {
        "scan_id": unique("off"),
        "qr": ticket.qr,
        "function_code": function_code,
        "scanned_at": rfc3339(at),
        **more,
    }


def results(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def events(shop: Shop, scan_id: str) -> list[dict[str, Any]]:
    return shop.sql("SELECT * FROM audit_events WHERE data ->> 'scan_id' = %s ORDER BY event_id", scan_id)


def test_what_was_let_in_is_used_up_at_the_time_of_the_scan(gate: Gate, seller: Seller, shop: Shop) -> None:
    first, second = sold(seller, 2)
    sent = [use(first), use(second, "gift"), use(first)]

    answer = gate.sync(*sent)

    assert (answer.json()["accepted"], answer.json()["conflicts"]) == (3, 0)
    told = results(answer)
    assert [each["scan_id"] for each in told] == [each["scan_id"] for each in sent]
    assert [each["remaining"] for each in told] == [1, 0, 0]
    assert {each["redeemed_at"] for each in told} == {rfc3339(AN_HOUR_AGO)}
    [row] = shop.sql("SELECT first_used_at FROM pre_generated_tickets WHERE ticket_code = %s", first.code)
    assert rfc3339(row["first_used_at"]) == rfc3339(AN_HOUR_AGO)
    [event] = events(shop, sent[0]["scan_id"])
    assert (event["event"], event["data"]["entry"]) == ("ticket.redeemed", "offline")
    assert datetime.fromisoformat(event["data"]["synced_at"]) > event["occurred_at"]


def test_one_that_another_gate_used_meanwhile_is_a_conflict_with_both_scans(
    gate: Gate, ticket: Ticket, shop: Shop, seller: Seller
) -> None:
    online = gate_of(shop, seller.name)
    used = online.redeem(ticket, "gift", scan_id="inside").json()
    sent = use(ticket, "gift", scan_id="outside")

    [told] = results(gate.sync(sent))

    assert (told["outcome"], told["code"], told["ticket_code"]) == ("conflict", "USED_UP", ticket.code)
    assert told["this_scan"] == {
        "device_id": gate.device_id,
        "scan_id": "outside",
        "at": rfc3339(AN_HOUR_AGO),
    }
    assert told["other_scan"] == {
        "device_id": online.device_id,
        "scan_id": "inside",
        "at": used["redeemed_at"],
    }
    [event] = [event for event in events(shop, "outside") if event["ticket_code"] == ticket.code]
    assert (event["event"], event["partner_id"]) == ("ticket.redemption_conflict", seller.partner_id)
    assert event["data"]["other"] == told["other_scan"]


def test_two_devices_that_were_both_away_the_second_is_in_conflict_with_the_first(
    gate: Gate, ticket: Ticket
) -> None:
    other = Gate(gate.http, unique("GATE"), gate.key_id)
    [first] = results(gate.sync(use(ticket, "gift", scan_id="a")))
    [second] = results(other.sync(use(ticket, "gift", scan_id="b", at=AN_HOUR_AGO - timedelta(hours=1))))

    assert (first["outcome"], second["outcome"]) == ("accepted", "conflict")
    assert (second["other_scan"]["device_id"], second["other_scan"]["scan_id"]) == (gate.device_id, "a")


def test_each_reason_has_its_code(gate: Gate, seller: Seller, shop: Shop) -> None:
    tickets = sold(seller, 4)
    change = "UPDATE pre_generated_tickets SET {} WHERE ticket_code = %s"
    shop.sql(change.format("status = 'CANCELLED'"), tickets[0].code)
    shop.sql(change.format("issue_number = 2"), tickets[1].code)
    shop.sql(change.format("usable_until = current_date - 10"), tickets[2].code)
    forged = Ticket(tickets[3].code, Signer.of("K1", os.urandom(32)).token(tickets[3].code, 1))
    stranger = sold(shop.seller())[0]
    shown = [*tickets[:3], *unsold(seller), forged, stranger]

    told = results(gate.sync(*(use(ticket) for ticket in shown), use(tickets[3], "spa")))

    assert [each["code"] for each in told] == [
        "CANCELLED", "QR_REVOKED", "EXPIRED", "NOT_ACTIVATED", "QR_INVALID", "UNKNOWN", "FUNCTION_UNKNOWN"
    ]  # fmt: skip
    assert [events(shop, each["scan_id"]) for each in told[4:6]] == [[], []]
    for each, code in zip(told, [ticket.code for ticket in shown[:4]], strict=False):
        [event] = events(shop, each["scan_id"])
        assert (event["event"], event["ticket_code"]) == ("ticket.redemption_conflict", code)
        assert event["partner_id"] == seller.partner_id
        assert "PM1:" not in str(event["data"])


def test_whether_it_was_still_good_is_judged_by_the_day_of_the_scan(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    [ticket] = sold(seller)
    shop.sql(
        "UPDATE pre_generated_tickets SET usable_until = current_date - 3 WHERE ticket_code = %s", ticket.code
    )
    now = datetime.now(UTC)

    told = results(
        gate.sync(use(ticket, at=now - timedelta(days=3)), use(ticket, at=now - timedelta(days=2)))
    )

    assert [each["code"] for each in told] == [None, "EXPIRED"]


def test_sent_again_it_answers_the_same_and_changes_nothing(gate: Gate, seller: Seller, shop: Shop) -> None:
    good, cancelled = sold(seller, 2)
    cancel = "UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s"
    [late] = unsold(seller)
    shop.sql(cancel, cancelled.code)
    sent = [use(good, "gift"), use(cancelled), use(late), use(good, "gift"), use(Ticket("", "x"))]
    first = results(gate.sync(*sent))
    seller.activate(late.code)
    before = shop.sql("SELECT count(*) FROM audit_events WHERE partner_id = %s", seller.partner_id)

    again = results(gate.sync(*sent))

    assert [each["code"] for each in first] == [None, "CANCELLED", "NOT_ACTIVATED", "USED_UP", "QR_INVALID"]
    assert [{**each, "is_replayed": False} for each in again] == first
    assert [each["is_replayed"] for each in again] == [True] * 4 + [False]
    assert shop.sql("SELECT count(*) FROM audit_events WHERE partner_id = %s", seller.partner_id) == before


def test_a_scan_whose_online_answer_was_lost_is_not_used_twice(gate: Gate, ticket: Ticket) -> None:
    online = gate.redeem(ticket, scan_id="lost").json()

    [told] = results(gate.sync(use(ticket, scan_id="lost")))

    assert (told["outcome"], told["is_replayed"]) == ("accepted", True)
    assert (told["redeemed_at"], told["remaining"]) == (online["redeemed_at"], 1)
    assert gate.inspect(ticket).json()["entitlements"][0]["remaining_uses"] == 1


def test_a_scan_id_that_was_another_use_is_a_conflict_and_kept(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    one, two = sold(seller, 2)

    told = results(gate.sync(use(one, scan_id="twice"), use(two, scan_id="twice")))

    assert [each["code"] for each in told] == [None, "SCAN_ID_REUSED"]
    assert told[1]["other_scan"]["scan_id"] == "twice"
    kept = shop.sql("SELECT event FROM audit_events WHERE ticket_code = %s ORDER BY event_id", two.code)
    assert kept[-1]["event"] == "ticket.redemption_conflict"


def test_the_earliest_time_of_use_may_come_last(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    for at in (AN_HOUR_AGO, AN_HOUR_AGO - timedelta(hours=2), AN_HOUR_AGO + timedelta(minutes=1)):
        assert results(gate.sync(use(ticket, "tokens", at=at)))[0]["outcome"] == "accepted"

    [row] = shop.sql("SELECT first_used_at FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    assert rfc3339(row["first_used_at"]) == rfc3339(AN_HOUR_AGO - timedelta(hours=2))


@pytest.mark.nightly
def test_as_many_as_may_be_of_one_ticket_are_settled_in_time(gate: Gate, seller: Seller) -> None:
    [ticket] = sold(seller)

    answer = gate.sync(*(use(ticket, "tokens") for _ in range(REDEMPTIONS_MAX)))

    assert (answer.json()["accepted"], answer.json()["conflicts"]) == (10, REDEMPTIONS_MAX - 10)


def test_one_upload_sent_many_times_at_once_is_one(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    sent = [use(ticket, "tokens") for _ in range(12)] + [use(Ticket("", "x"))]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: results(gate.sync(*sent)), range(8)))

    alike = [[{**each, "is_replayed": False} for each in answer] for answer in answers]
    assert alike == [alike[0]] * 8
    assert [each["outcome"] for each in alike[0]] == ["accepted"] * 10 + ["conflict"] * 3
    assert all(len(events(shop, each["scan_id"])) == 1 for each in sent[:-1])


def test_uploads_of_two_that_name_a_device_alike_are_told_apart(
    gate: Gate, operator_gate: Gate, seller: Seller, shop: Shop
) -> None:
    [ticket], [late] = sold(seller), unsold(seller)
    sent = [use(ticket, scan_id="scan-000001"), use(late, scan_id="scan-000002")]
    results(operator_gate.sync(*sent, device_id="GATE-1"))

    told = results(gate.sync(*sent, device_id="GATE-1"))

    assert [(each["remaining"], each["code"], each["is_replayed"]) for each in told] == [
        (0, None, False),
        (None, "NOT_ACTIVATED", False),
    ]
    again = results(gate.sync(*sent, device_id="GATE-1"))
    assert [{**each, "is_replayed": False} for each in again] == told
