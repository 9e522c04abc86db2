"""At the gate: an entitlement is used up once, and who is refused is told why."""

import os
import time
from collections.abc import Callable

import pytest
from gate.conftest import Gate, Ticket, gate_of, sold, unsold
from support.shop import Seller, Shop, unique
from support.signing_seeds import seeds_of

from premade.tickets.code import Signer


def test_a_use_is_taken_off_and_written_down(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    answer = gate.redeem(ticket, "ferry", scan_id="scan-1")

    assert answer.status_code == 200
    told = answer.json()
    left = [
        {"function_code": "ferry", "remaining_uses": 1},
        {"function_code": "gift", "remaining_uses": 1},
        {"function_code": "tokens", "remaining_uses": 10},
    ]
    assert told["entitlements"] == left
    assert (told["ticket_code"], told["status"], told["function_code"]) == (ticket.code, "ACTIVE", "ferry")
    assert (told["used"], told["remaining"]) == (1, 1)
    assert told["message"] == "Welcome: 1 of ferry, 1 left."
    [row] = shop.sql(
        "SELECT status, entitlements, first_used_at FROM pre_generated_tickets WHERE ticket_code = %s",
        ticket.code,
    )
    assert (row["status"], row["entitlements"]) == ("ACTIVE", left)
    [event] = redemptions(shop, ticket)
    assert event["data"] == {
        "function_code": "ferry",
        "uses": 1,
        "device_id": gate.device_id,
        "scan_id": "scan-1",
        "entry": "scan",
        "entitlements": left,
        "status": "ACTIVE",
    }
    assert (event["operation"], event["idempotency_key"]) == (
        "redeem",
        f"key:{gate.key_id} {gate.device_id} scan-1",
    )
    assert event["occurred_at"] == row["first_used_at"]


def redemptions(shop: Shop, ticket: Ticket) -> list[dict[str, object]]:
    return shop.sql(
        "SELECT * FROM audit_events WHERE ticket_code = %s AND event = 'ticket.redeemed' ORDER BY event_id",
        ticket.code,
    )


def test_the_last_use_of_all_makes_the_ticket_used(gate: Gate, ticket: Ticket) -> None:
    answers = [gate.redeem(ticket, function, uses=uses) for function, uses in
               [("ferry", 2), ("gift", 1), ("tokens", 9), ("tokens", 1)]]  # fmt: skip

    assert [answer.json()["status"] for answer in answers] == ["ACTIVE", "ACTIVE", "ACTIVE", "USED"]
    refused = gate.redeem(ticket, "ferry").json()
    assert (refused["code"], refused["remaining"]) == ("USED_UP", 0)


def test_who_comes_when_all_is_used_up_is_told_when_and_where_it_was(gate: Gate, ticket: Ticket) -> None:
    used = gate.redeem(ticket, "gift", scan_id="the-one").json()
    gate.redeem(ticket, "ferry")

    answer = gate.redeem(ticket, "gift")

    told = answer.json()
    assert (answer.status_code, told["code"], told["remaining"]) == (409, "USED_UP", 0)
    assert (told["used_at"], told["device_id"], told["scan_id"]) == (
        used["redeemed_at"],
        gate.device_id,
        "the-one",
    )
    assert told["detail"].startswith("This ticket has no uses of gift left. It was last used at ")
    assert gate.device_id in told["detail"]


def test_more_than_is_left_takes_nothing_and_says_how_many_there_are(gate: Gate, ticket: Ticket) -> None:
    told = gate.redeem(ticket, "tokens", uses=11).json()

    assert (told["code"], told["remaining"]) == ("USED_UP", 10)
    assert told["detail"] == "This ticket has only 10 of tokens left, not 11."
    assert gate.redeem(ticket, "tokens", uses=10).status_code == 200


def cancelled(shop: Shop, seller: Seller) -> Ticket:
    [ticket] = sold(seller)
    shop.sql("UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", ticket.code)
    return ticket


def not_activated(shop: Shop, seller: Seller) -> Ticket:
    return unsold(seller)[0]


def expired_unsold(shop: Shop, seller: Seller) -> Ticket:
    [ticket] = unsold(seller)
    shop.sql("UPDATE pre_generated_tickets SET status = 'EXPIRED' WHERE ticket_code = %s", ticket.code)
    return ticket


def past_its_last_day(shop: Shop, seller: Seller) -> Ticket:
    [ticket] = sold(seller)
    shop.sql(
        "UPDATE pre_generated_tickets SET usable_until = current_date - 1 WHERE ticket_code = %s", ticket.code
    )
    return ticket


def reissued(shop: Shop, seller: Seller) -> Ticket:
    [ticket] = sold(seller)
    shop.sql("UPDATE pre_generated_tickets SET issue_number = 2 WHERE ticket_code = %s", ticket.code)
    return ticket


REFUSED: list[tuple[str, Callable[[Shop, Seller], Ticket]]] = [
    ("CANCELLED", cancelled),
    ("NOT_ACTIVATED", not_activated),
    ("EXPIRED", expired_unsold),
    ("EXPIRED", past_its_last_day),
    ("QR_REVOKED", reissued),
]


@pytest.mark.parametrize(("code", "made"), REFUSED, ids=[made.__name__ for _, made in REFUSED])
def test_a_ticket_that_is_not_good_is_refused_and_left_as_it_was(
    shop: Shop, seller: Seller, gate: Gate, code: str, made: Callable[[Shop, Seller], Ticket]
) -> None:
    ticket = made(shop, seller)
    row = "SELECT * FROM pre_generated_tickets WHERE ticket_code = %s"
    before = shop.sql(row, ticket.code)

    answer, seen = gate.redeem(ticket), gate.inspect(ticket)

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["detail"].endswith((".", f"at {gate.device_id}."))
    assert (seen.json()["is_admitted"], seen.json()["refusal"]) == (False, code)
    assert seen.json()["message"] == answer.json()["detail"]
    assert shop.sql(row, ticket.code) == before
    assert redemptions(shop, ticket) == []


def test_on_its_last_day_a_ticket_is_good(shop: Shop, seller: Seller, gate: Gate, ticket: Ticket) -> None:
    shop.sql(
        "UPDATE pre_generated_tickets SET usable_until = current_date WHERE ticket_code = %s", ticket.code
    )

    assert gate.redeem(ticket).status_code == 200


def test_an_old_qr_says_where_the_ticket_was_used(shop: Shop, gate: Gate, ticket: Ticket) -> None:
    used = gate.redeem(ticket, scan_id="before").json()
    shop.sql("UPDATE pre_generated_tickets SET issue_number = 2 WHERE ticket_code = %s", ticket.code)

    told = gate.redeem(ticket).json()

    assert (told["code"], told["used_at"], told["scan_id"]) == ("QR_REVOKED", used["redeemed_at"], "before")


def test_a_qr_that_is_not_genuine_is_refused(gate: Gate, ticket: Ticket) -> None:
    forged = Signer.of("K1", os.urandom(32)).token(ticket.code, 1)
    other_issue = ticket.qr.replace(":1:K1:", ":2:K1:")

    for qr in (forged, other_issue, "https://example.com/menu", "x", ":" * 50, "PM1:::::", "陳" * 1000):
        for answer in (gate.redeem(qr=qr), gate.inspect(qr=qr)):
            assert (answer.status_code, answer.json()["code"]) == (422, "QR_INVALID"), qr


def test_a_qr_of_a_retired_key_is_refused_and_says_so(shop: Shop, gate: Gate, ticket: Ticket) -> None:
    seed = os.urandom(32)
    signer = Signer.of(f"K{int.from_bytes(os.urandom(2)) % 900 + 100}", seed)
    shop.sql(
        "INSERT INTO signing_keys (key_id, seed, public_key, created_at, retired_at)"
        " VALUES (%s, %s, %s, '2020-01-01', now())",
        signer.key_id,
        seed,
        signer.key.verify_key.encode(),
    )

    for ask in (gate.redeem, gate.inspect):
        # A key that is new is known within a second in each process.
        deadline = time.monotonic() + 10
        while "retired" not in (answer := ask(qr=signer.token(ticket.code, 1))).json()["detail"]:
            assert time.monotonic() < deadline, answer.text
        assert (answer.status_code, answer.json()["code"]) == (422, "QR_INVALID")


def test_a_function_that_the_ticket_has_not_is_404_and_those_it_has_are_named(
    gate: Gate, ticket: Ticket
) -> None:
    answer = gate.redeem(ticket, "spa")

    assert (answer.status_code, answer.json()["code"]) == (404, "FUNCTION_UNKNOWN")
    assert answer.json()["functions"] == ["ferry", "gift", "tokens"]


def test_a_scan_that_is_sent_again_is_answered_again_and_used_once(
    gate: Gate, ticket: Ticket, shop: Shop
) -> None:
    first = gate.redeem(ticket, scan_id="s")
    gate.redeem(ticket, "ferry")
    gate.redeem(ticket, "tokens", uses=10)
    shop.sql("UPDATE pre_generated_tickets SET issue_number = 2 WHERE ticket_code = %s", ticket.code)

    again = gate.redeem(ticket, scan_id="s")

    assert (again.status_code, again.text) == (200, first.text)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )
    assert len(redemptions(shop, ticket)) == 3


def test_a_scan_id_that_comes_with_another_request_is_422(gate: Gate, seller: Seller, ticket: Ticket) -> None:
    [other] = sold(seller)
    gate.redeem(ticket, scan_id="s")

    for answer in (
        gate.redeem(other, scan_id="s"),
        gate.redeem(ticket, "gift", scan_id="s"),
        gate.redeem(ticket, uses=2, scan_id="s"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "SCAN_ID_REUSED")
    assert gate.redeem(other, scan_id="s2").json()["remaining"] == 1


def test_a_refusal_is_not_remembered(gate: Gate, seller: Seller) -> None:
    [ticket] = unsold(seller)
    assert gate.redeem(ticket, scan_id="s").status_code == 409
    seller.activate(ticket.code)

    assert gate.redeem(ticket, scan_id="s").status_code == 200


def test_another_partner_s_ticket_is_like_an_unknown_one(shop: Shop, ticket: Ticket) -> None:
    stranger = gate_of(shop, shop.seller().name)
    unknown = Signer.of("K1", os.urandom(32))
    unknown = Signer.of("K1", seeds_of(shop.dsn)["K1"]).token("CRUISE-2025-FERRY-0000000000001", 1)

    answers = [stranger.redeem(ticket), stranger.redeem(qr=unknown)]
    seen = [stranger.inspect(ticket), stranger.inspect(qr=unknown)]

    for answer in (*answers, *seen):
        assert (answer.status_code, answer.json()["code"]) == (404, "TICKET_UNKNOWN")
        assert answer.json()["detail"] == answers[0].json()["detail"]


def test_the_operator_s_gate_admits_every_partner_s_tickets(shop: Shop, operator_gate: Gate) -> None:
    sellers = [shop.seller(), shop.seller()]
    tickets = [sold(seller)[0] for seller in sellers]

    assert [operator_gate.redeem(ticket).status_code for ticket in tickets] == [200, 200]
    for seller, ticket in zip(sellers, tickets, strict=True):
        assert [event["partner_id"] for event in redemptions(shop, ticket)] == [seller.partner_id]
    assert operator_gate.inspect(tickets[0]).json()["entitlements"][0]["remaining_uses"] == 1


def test_a_key_without_the_permission_is_refused(shop: Shop, seller: Seller, ticket: Ticket) -> None:
    selling = Gate(seller.http, "GATE-1", seller.key_id)

    for answer in (selling.redeem(ticket), selling.inspect(ticket), selling.sync()):
        assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_MISSING")
    nobody = Gate(shop.client(), "GATE-1", 0)
    assert {
        answer.status_code for answer in (nobody.redeem(ticket), nobody.inspect(ticket), nobody.sync())
    } == {401}


@pytest.mark.parametrize(
    ("wrong", "pointers"),
    [
        ({"qr": None}, {"#/qr"}),
        ({"qr": 5}, {"#/qr"}),
        ({"qr": ""}, {"#/qr"}),
        ({"qr": "a\0b"}, {"#/qr"}),
        ({"qr": None, "ticket_code": "X"}, {"#/phone_last4"}),
        ({"qr": None, "ticket_code": "X", "phone_last4": "12a4"}, {"#/phone_last4"}),
        ({"qr": None, "ticket_code": "X", "phone_last4": "١٢٣٤"}, {"#/phone_last4"}),
        ({"ticket_code": "X", "phone_last4": "1234"}, {"#/qr"}),
        ({"device_id": "a b", "scan_id": "", "uses": 0}, {"#/device_id", "#/scan_id", "#/uses"}),
        ({"device_id": "x" * 65, "scan_id": "é", "uses": 10_001}, {"#/device_id", "#/scan_id", "#/uses"}),
        ({"uses": 2**70, "function_code": "Ferry"}, {"#/uses", "#/function_code"}),
        ({"uses": "1", "function_code": None}, {"#/uses", "#/function_code"}),
        ({"uses": True}, {"#/uses"}),
    ],
)
def test_every_wrong_field_is_named(
    gate: Gate, ticket: Ticket, wrong: dict[str, object], pointers: set[str]
) -> None:
    answer = gate.redeem(ticket, **wrong)  # pyright: ignore[reportArgumentType]

    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers


def test_what_is_no_text_of_unicode_is_400(gate: Gate) -> None:
    for body in (b'{"qr": "\\ud800"}', b"[]", b"null", b'{"qr": NaN}', b"\xff"):
        for path in ("/api/gate/redemptions", "/api/gate/inspect", "/api/gate/redemptions/sync"):
            answer = gate.http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400, (path, body)


def test_inspecting_shows_the_ticket_and_uses_nothing(gate: Gate, seller: Seller, shop: Shop) -> None:
    [ticket] = sold(seller, name="Mary Ann van der Berg-Smith")

    answer = gate.inspect(ticket)

    assert answer.status_code == 200
    assert answer.json() == {
        "ticket_code": ticket.code,
        "product_name": "Harbour Cruise Premium",
        "status": "ACTIVE",
        "entitlements": [
            {"function_code": "ferry", "remaining_uses": 2},
            {"function_code": "gift", "remaining_uses": 1},
            {"function_code": "tokens", "remaining_uses": 10},
        ],
        "usable_until": None,
        "first_used_at": None,
        "customer_initials": "M. A. V. D. B.",
        "is_admitted": True,
        "refusal": None,
        "message": "This ticket is valid.",
    }
    assert gate.inspect(ticket).json() == answer.json()
    assert redemptions(shop, ticket) == []


def test_no_two_devices_share_a_scan_id(gate: Gate, ticket: Ticket, shop: Shop, seller: Seller) -> None:
    other = Gate(gate.http, unique("GATE"), gate.key_id)

    assert [each.redeem(ticket, scan_id="s").json()["remaining"] for each in (gate, other)] == [1, 0]


def test_a_device_of_the_operator_and_one_of_the_partner_may_have_one_name(
    gate: Gate, operator_gate: Gate, seller: Seller
) -> None:
    one, other = sold(seller, 2)
    scan = {"device_id": "GATE-1", "scan_id": "scan-000001"}

    assert operator_gate.redeem(one, **scan).json()["remaining"] == 1

    # Not a replay of the operator's: the bearer goes in a second time, and a second use is taken.
    second = gate.redeem(one, **scan)
    assert (second.json()["remaining"], "Idempotency-Replayed" in second.headers) == (0, False)
    assert gate.redeem(other, **{**scan, "scan_id": "scan-000002"}).status_code == 200
    assert operator_gate.redeem(one, "gift", **{**scan, "scan_id": "scan-000002"}).status_code == 200
    for each in (gate, operator_gate):
        assert each.redeem(one, **scan).headers["Idempotency-Replayed"] == "true"
