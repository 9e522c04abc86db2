"""When a scan says that it happened, and whose it is; one bad entry of an upload keeps back no other."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from gate.conftest import Gate, Ticket, gate_of, sold
from gate.test_sync import events, results, use
from support.past import sold_earlier
from support.shop import Seller, Shop

from premade.partners.keys import rotate_key
from premade.redemption.counts import DEVICES_A_DAY_MAX
from premade.redemption.rules import OFFLINE_SCAN_DAYS_MAX
from premade.redemption.sync import CONFLICTS_OF_TICKET_MAX
from premade.runtime.clock import rfc3339
from premade.tickets.code import Signer

MINUTE = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


def counts(shop: Shop, gate: Gate) -> dict[str, int]:
    rows = shop.sql(
        "SELECT code, sum(counted)::integer AS counted FROM gate_counts WHERE owner = %s GROUP BY code",
        f"key:{gate.key_id}",
    )
    return {row["code"]: row["counted"] for row in rows}


def is_untouched(shop: Shop, ticket: Ticket) -> bool:
    [row] = shop.sql("SELECT first_used_at FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    return row["first_used_at"] is None


@pytest.mark.parametrize(
    ("scanned_at", "code"),
    [
        (lambda: rfc3339(now() + 3 * MINUTE), "CLOCK_WRONG"),
        (lambda: "9999-12-31T23:59:59Z", "CLOCK_WRONG"),
        (lambda: "yesterday", "CLOCK_WRONG"),
        (lambda: "", "CLOCK_WRONG"),
        (lambda: "0001-01-01T00:00:00+14:00", "CLOCK_WRONG"),
        (lambda: "9999-12-31T23:59:59-12:00", "CLOCK_WRONG"),
        (lambda: "2026-02-29T12:00:00Z", "CLOCK_WRONG"),
        (lambda: "0001-01-01T00:00:00Z", "SCAN_TOO_OLD"),
        (lambda: "1970-01-01T00:00:00Z", "SCAN_TOO_OLD"),
        (lambda: rfc3339(now() - timedelta(days=OFFLINE_SCAN_DAYS_MAX, minutes=1)), "SCAN_TOO_OLD"),
        (lambda: rfc3339(now() - timedelta(days=11)), "SCANNED_BEFORE_ACTIVATION"),
    ],
)
def test_a_scan_of_an_impossible_time_is_a_conflict_that_is_kept(
    gate: Gate, ticket: Ticket, shop: Shop, scanned_at: Any, code: str
) -> None:
    sent = {**use(ticket), "scanned_at": scanned_at()}
    good = use(ticket, "tokens")

    bad, settled = results(gate.sync(sent, good))

    assert (bad["outcome"], bad["code"], bad["ticket_code"]) == ("conflict", code, ticket.code)
    assert settled["outcome"] == "accepted"
    [event] = events(shop, sent["scan_id"])
    assert (event["event"], event["ticket_code"]) == ("ticket.redemption_conflict", ticket.code)
    assert event["data"]["code"] == code
    assert results(gate.sync(sent)) == [{**bad, "is_replayed": True}]
    assert gate.inspect(ticket).json()["entitlements"][0]["remaining_uses"] == 2


def test_a_clock_two_minutes_fast_works(gate: Gate, seller: Seller) -> None:
    [ticket] = sold(seller)

    [told] = results(gate.sync(use(ticket, at=now() + 2 * MINUTE)))

    assert told["outcome"] == "accepted"


@pytest.mark.parametrize(("seconds_before", "code"), [(110, None), (130, "SCANNED_BEFORE_ACTIVATION")])
def test_a_scan_from_before_the_sale_is_forgiven_two_minutes(
    gate: Gate, seller: Seller, shop: Shop, seconds_before: int, code: str | None
) -> None:
    [ticket] = sold(seller)
    [row] = shop.sql("SELECT activated_at FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)

    [told] = results(gate.sync(use(ticket, at=row["activated_at"] - timedelta(seconds=seconds_before))))

    assert told["code"] == code
    assert is_untouched(shop, ticket) is (code is not None)


def test_a_late_report_of_an_expired_ticket_counts_and_is_shown(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    [ticket] = sold(seller)
    shop.sql(
        "UPDATE pre_generated_tickets SET usable_until = current_date - 3 WHERE ticket_code = %s", ticket.code
    )
    in_time, late = use(ticket, at=now() - timedelta(days=4)), use(ticket, at=now() - timedelta(days=2))

    told = results(gate.sync(in_time, late))

    assert [each["code"] for each in told] == [None, "EXPIRED"]
    [event] = events(shop, in_time["scan_id"])
    assert event["data"]["days_late"] == 3
    assert counts(shop, gate) == {"LATE": 1}
    gate.sync(in_time)
    assert counts(shop, gate) == {"LATE": 1}


def test_each_bad_entry_is_answered_by_itself_and_the_good_ones_settle(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    [first], [last] = sold(seller), sold(seller)
    bad: list[Any] = [
        {**use(first), "uses": 0},
        {**use(first), "uses": "1"},
        {**use(first), "uses": 2**64},
        {**use(first), "scan_id": "x" * 65},
        {**use(first), "scan_id": 7},
        {**use(first), "scan_id": "with\0nul"},
        {**use(first), "function_code": "Not A Code"},
        {**use(first), "qr": ""},
        {**use(first), "qr": None},
        {**use(first), "scanned_at": 1},
        {key: value for key, value in use(first).items() if key != "qr"},
        None, 7, "text", [], {}, [use(first)],
    ]  # fmt: skip

    answer = gate.sync(use(first), *bad, {**use(last), "an_unknown_member": [1]})

    told = results(answer)
    assert [each["outcome"] for each in told] == ["accepted", *["conflict"] * len(bad), "accepted"]
    assert {each["code"] for each in told[1:-1]} == {"ENTRY_INVALID"}
    assert [each["scan_id"] for each in told[4:6]] == ["x" * 65, None]
    assert "uses Must be" in told[1]["message"]
    assert "scan_id" in told[4]["message"]
    assert (answer.json()["accepted"], answer.json()["conflicts"]) == (2, len(bad))
    assert counts(shop, gate) == {"ENTRY_INVALID": len(bad)}


def test_a_key_given_twice_in_an_entry_is_a_fault_of_that_entry(gate: Gate, ticket: Ticket) -> None:
    good, twice = use(ticket), use(ticket)
    body = (
        f'{{"device_id": "G", "redemptions": [{_json(good)}, {_json(twice)[:-1]}, "uses": 1, "uses": 2}}]}}'
    )

    answer = gate.http.post(
        "/api/gate/redemptions/sync", content=body, headers={"Content-Type": "application/json"}
    )

    assert [each["code"] for each in results(answer)] == [None, "ENTRY_INVALID"]


def _json(entry: dict[str, Any]) -> str:
    members = ", ".join(f'"{name}": "{value}"' for name, value in entry.items())
    return f"{{{members}}}"


def test_the_upload_as_a_whole_must_still_be_one(gate: Gate, ticket: Ticket) -> None:
    for body in (
        {"redemptions": [use(ticket)]},
        {"device_id": "bad name", "redemptions": [use(ticket)]},
        {"device_id": "G", "redemptions": {}},
        {"device_id": "G", "redemptions": []},
        {"device_id": "G"},
    ):
        answer = gate.http.post("/api/gate/redemptions/sync", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


def test_forged_and_unknown_scans_are_counted_and_answered_the_same_again(
    gate: Gate, ticket: Ticket, shop: Shop, seller: Seller
) -> None:
    forger = Signer.of("K1", os.urandom(32))
    forged = [Ticket(ticket.code, forger.token(ticket.code, issue)) for issue in range(1, 101)]
    stranger = sold(shop.seller())[0]
    sent = [*(use(each) for each in forged), use(stranger), use(Ticket("", "no token at all"))]
    before = shop.sql("SELECT count(*) FROM audit_events")

    first = results(gate.sync(*sent))
    again = results(gate.sync(*sent))

    assert [each["code"] for each in first] == [*["QR_INVALID"] * 100, "UNKNOWN", "QR_INVALID"]
    assert again == first
    assert shop.sql("SELECT count(*) FROM audit_events") == before
    assert counts(shop, gate) == {"QR_INVALID": 202, "UNKNOWN": 2}
    rows = shop.sql(
        "SELECT DISTINCT device_id, partner_id FROM gate_counts WHERE owner = %s", f"key:{gate.key_id}"
    )
    assert rows == [{"device_id": gate.device_id, "partner_id": seller.partner_id}]


def test_conflicts_of_one_ticket_do_not_fill_the_record(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    """A genuine QR that is good for nothing, such as one for another function, can be sent without end too."""
    sent = [use(ticket, "tea") for _ in range(CONFLICTS_OF_TICKET_MAX - 10)]
    more = [use(ticket, "tea") for _ in range(20)]

    first, second = results(gate.sync(*sent)), results(gate.sync(*more, *more))
    again = results(gate.sync(*sent, *more))

    assert {each["code"] for each in (*first, *second, *again)} == {"FUNCTION_UNKNOWN"}
    assert [each["is_replayed"] for each in again] == [True] * CONFLICTS_OF_TICKET_MAX + [False] * 10
    kept = shop.sql(
        "SELECT event_id FROM audit_events WHERE ticket_code = %s AND event = 'ticket.redemption_conflict'",
        ticket.code,
    )
    assert len(kept) == CONFLICTS_OF_TICKET_MAX
    assert counts(shop, gate) == {"CONFLICT_REPEATED": 30}
    # The ticket itself is as good as before.
    [answer] = results(gate.sync(use(ticket)))
    assert answer["outcome"] == "accepted"


def test_names_of_devices_that_a_client_makes_up_make_no_rows_without_end(gate: Gate, shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda number: gate.sync(use(Ticket("", "x")), device_id=f"MADE-UP-{number}"),
                range(3 * DEVICES_A_DAY_MAX),
            )
        )

    rows = shop.sql("SELECT device_id FROM gate_counts WHERE owner = %s", f"key:{gate.key_id}")
    assert len(rows) == DEVICES_A_DAY_MAX + 1
    assert "" in {row["device_id"] for row in rows}
    assert counts(shop, gate) == {"QR_INVALID": 3 * DEVICES_A_DAY_MAX}


def test_another_key_that_uses_the_same_names_takes_nothing_from_a_device(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    other = gate_of(shop, seller.name)
    first, second = sold(seller, 2)
    names = {"device_id": "GATE-1", "scan_id": "scan-000001"}

    assert other.redeem(first, **names).status_code == 200
    assert gate.redeem(second, **names).status_code == 200
    [told] = results(gate.sync(use(second, scan_id="scan-000002"), device_id="GATE-1"))
    assert told["outcome"] == "accepted"
    again = gate.redeem(second, **names)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    reused = gate.redeem(first, **names)
    assert (reused.status_code, reused.json()["code"]) == (422, "SCAN_ID_REUSED")


def test_a_rotated_key_has_the_same_devices_so_nothing_is_used_up_twice(
    gate: Gate, ticket: Ticket, shop: Shop
) -> None:
    online = gate.redeem(ticket, scan_id="lost").json()
    first = shop.operate(lambda d, r: rotate_key(d, r, gate.key_id, timedelta(days=1)))
    second = shop.operate(lambda d, r: rotate_key(d, r, first.id, timedelta(days=1)))
    rotated = Gate(shop.client(second.key), gate.device_id, second.id)

    again = rotated.redeem(ticket, scan_id="lost")
    [uploaded] = results(rotated.sync(use(ticket, scan_id="lost")))

    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", online)
    assert (uploaded["outcome"], uploaded["is_replayed"], uploaded["remaining"]) == ("accepted", True, 1)
    assert gate.inspect(ticket).json()["entitlements"][0]["remaining_uses"] == 1


@pytest.mark.parametrize("is_operator", [False, True])
def test_a_scan_from_before_a_device_belonged_to_a_key_is_replayed(
    shop: Shop, seller: Seller, *, is_operator: bool
) -> None:
    gate = gate_of(shop, None if is_operator else seller.name)
    [ticket], [late] = sold(seller), sold(seller)
    shop.sql("UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", late.code)
    online = gate.redeem(ticket, scan_id="old").json()
    conflict = use(late, scan_id="old-conflict")
    [kept] = results(gate.sync(conflict))
    with_old_names(shop, gate, "operator " if is_operator else "")

    again = gate.redeem(ticket, scan_id="old")
    [uploaded] = results(gate.sync(use(ticket, scan_id="old")))

    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", online)
    assert (uploaded["is_replayed"], uploaded["remaining"]) == (True, 1)
    assert results(gate.sync(conflict)) == [{**kept, "is_replayed": True}]
    assert gate.inspect(ticket).json()["entitlements"][0]["remaining_uses"] == 1


def with_old_names(shop: Shop, gate: Gate, start: str) -> None:
    """As the record had them before."""
    with psycopg.connect(shop.dsn) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "UPDATE audit_events SET idempotency_key = %s || substr(idempotency_key, length(%s) + 1)"
            " WHERE starts_with(idempotency_key, %s)",
            (start, f"key:{gate.key_id} ", f"key:{gate.key_id} "),
        )


def test_a_sale_a_moment_ago_is_used_at_once_without_network(gate: Gate, seller: Seller) -> None:
    [code] = seller.tickets(1)
    token = seller.http.get(f"/api/ota/tickets/{code}").json()["qr_token"]
    assert seller.activate(code).status_code == 200
    sold_earlier(seller.dsn, [code], 0)

    [told] = results(gate.sync(use(Ticket(code, token), at=now() - MINUTE)))

    assert told["outcome"] == "accepted"
