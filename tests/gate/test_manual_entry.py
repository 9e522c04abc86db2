"""A code that is typed in opens the gate with the customer's digits only, and nobody may guess for long."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gate.conftest import Gate, Ticket, gate_of, sold, unsold
from support.shop import Seller, Shop, unique

from premade.redemption.manual import DEVICE_ENTRIES_MAX, TICKET_SPAN_SECONDS, TICKET_WRONG_ENTRIES_MAX

RIGHT, WRONG = "7890", "7891"


def another_device(gate: Gate) -> Gate:
    return Gate(gate.http, unique("GATE"), gate.key_id)


def test_a_typed_code_with_the_right_digits_is_let_in(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    answer = gate.redeem(ticket_code=ticket.code, phone_last4=RIGHT)

    assert (answer.status_code, answer.json()["remaining"]) == (200, 1)
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE ticket_code = %s AND event = 'ticket.redeemed'", ticket.code
    )
    assert event["data"]["entry"] == "manual"
    assert gate.inspect(ticket_code=ticket.code, phone_last4=RIGHT).json()["is_admitted"]


def test_wrong_digits_an_unknown_code_and_one_without_a_customer_are_answered_alike(
    gate: Gate, seller: Seller, shop: Shop, ticket: Ticket
) -> None:
    [unsold_ticket] = unsold(seller)
    [strange] = sold(shop.seller())
    codes = [ticket.code, unsold_ticket.code, strange.code, "CRUISE-2025-FERRY-0000000000001", "nonsense"]

    answers = [gate.redeem(ticket_code=code, phone_last4=WRONG) for code in codes]
    answers.append(gate.redeem(ticket_code=strange.code, phone_last4=RIGHT))

    assert {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers} == {
        (404, "TICKET_UNKNOWN", "There is no such ticket.")
    }


def test_a_key_without_the_permission_may_not(shop: Shop, seller: Seller, ticket: Ticket) -> None:
    scanning = gate_of(shop, seller.name, ["gate:redeem"])

    answer = scanning.redeem(ticket_code=ticket.code, phone_last4=RIGHT)

    assert (answer.status_code, answer.json()["permission"]) == (403, "gate:manual-entry")
    assert scanning.redeem(ticket).status_code == 200


def test_a_device_may_type_only_so_often_a_minute(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    typed: dict[str, Any] = {"ticket_code": ticket.code, "phone_last4": RIGHT}
    answers = [gate.inspect(**typed) for _ in range(DEVICE_ENTRIES_MAX + 1)]

    assert [answer.status_code for answer in answers] == [200] * DEVICE_ENTRIES_MAX + [429]
    assert answers[-1].json()["code"] == "TOO_MANY_MANUAL_ENTRIES"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert another_device(gate).inspect(**typed).status_code == 200
    assert gate.redeem(ticket).status_code == 200
    shop.sql(
        "UPDATE manual_entries SET span_began_at = now() - interval '61 seconds' WHERE subject = %s",
        f"device key:{gate.key_id} {gate.device_id}",
    )
    assert gate.inspect(**typed).status_code == 200


def test_after_ten_wrong_guesses_at_a_ticket_not_even_the_right_digits_are_taken(
    gate: Gate, ticket: Ticket
) -> None:
    for _ in range(TICKET_WRONG_ENTRIES_MAX):
        answer = another_device(gate).redeem(ticket_code=ticket.code, phone_last4=WRONG)
        assert answer.status_code == 404

    answer = another_device(gate).redeem(ticket_code=ticket.code, phone_last4=RIGHT)

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 3000


def test_those_who_guess_at_once_have_no_more_guesses(gate: Gate, ticket: Ticket) -> None:
    devices = [another_device(gate) for _ in range(30)]
    with ThreadPoolExecutor(15) as pool:
        answers = list(
            pool.map(lambda each: each.redeem(ticket_code=ticket.code, phone_last4=WRONG), devices)
        )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [404] * TICKET_WRONG_ENTRIES_MAX + [429] * (30 - TICKET_WRONG_ENTRIES_MAX)


def test_the_right_digits_are_not_counted_among_the_wrong(gate: Gate, ticket: Ticket) -> None:
    for _ in range(TICKET_WRONG_ENTRIES_MAX + 2):
        answer = another_device(gate).inspect(ticket_code=ticket.code, phone_last4=RIGHT)
        assert answer.status_code == 200


def test_a_stranger_who_guesses_does_not_lock_the_ticket_for_its_own_gates(
    gate: Gate, ticket: Ticket, shop: Shop
) -> None:
    stranger = gate_of(shop, shop.seller().name)
    guesses = [
        another_device(stranger).redeem(ticket_code=ticket.code, phone_last4=WRONG)
        for _ in range(TICKET_WRONG_ENTRIES_MAX + 1)
    ]

    assert [guess.status_code for guess in guesses] == [404] * TICKET_WRONG_ENTRIES_MAX + [429]
    assert gate.redeem(ticket_code=ticket.code, phone_last4=RIGHT).status_code == 200


def test_what_was_typed_in_long_ago_is_forgotten(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    old, young = unique("old"), unique("young")
    insert = """INSERT INTO manual_entries (subject, span_began_at, entries)
        SELECT %s || n, now() - %s * interval '1 second', 1 FROM generate_series(1, 25) AS n"""
    shop.sql(insert, old, TICKET_SPAN_SECONDS + 1)
    shop.sql(insert, young, TICKET_SPAN_SECONDS - 60)

    for _ in range(3):
        assert gate.inspect(ticket_code=ticket.code, phone_last4=RIGHT).status_code == 200

    kept = "SELECT FROM manual_entries WHERE starts_with(subject, %s)"
    assert (len(shop.sql(kept, old)), len(shop.sql(kept, young))) == (0, 25)
