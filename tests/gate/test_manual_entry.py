"""A code that is typed in opens the gate with the customer's digits only, and nobody may guess for long."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from gate.conftest import Gate, Ticket, gate_of, sold, unsold
from support.attempts import end_window, use_up
from support.shop import Seller, Shop, unique

from premade.partners.keyring import GateCaller
from premade.partners.keys import rotate_key
from premade.postgres.database import Database
from premade.redemption.manual import (
    OF_CALLER,
    OF_GATES,
    OF_TICKET,
    ManualEntries,
    ManualEntry,
)
from premade.redemption.rules import GateRules
from premade.runtime.clock import Runtime
from premade.runtime.errors import Invalid
from premade.throttle.attempts import CountedSubject

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
        (404, "DIGITS_WRONG", "Code and digits do not match.")
    }


def test_a_key_without_the_permission_may_not(shop: Shop, seller: Seller, ticket: Ticket) -> None:
    scanning = gate_of(shop, seller.name, ["gate:redeem"])

    answer = scanning.redeem(ticket_code=ticket.code, phone_last4=RIGHT)

    assert (answer.status_code, answer.json()["permission"]) == (403, "gate:manual-entry")
    assert scanning.redeem(ticket).status_code == 200


def test_another_device_id_for_each_guess_gives_no_more_guesses(
    gate: Gate, seller: Seller, shop: Shop
) -> None:
    tickets = sold(seller, 3)
    answers = [
        another_device(gate).inspect(ticket_code=tickets[number % 3].code, phone_last4=WRONG)
        for number in range(OF_CALLER.attempts_max + 1)
    ]

    assert [answer.status_code for answer in answers] == [404] * OF_CALLER.attempts_max + [429]
    assert answers[-1].json()["code"] == "TOO_MANY_MANUAL_ENTRIES"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= OF_CALLER.window_seconds
    other_key = gate_of(shop, seller.name)
    assert other_key.inspect(ticket_code=tickets[0].code, phone_last4=RIGHT).status_code == 200
    assert gate.redeem(tickets[0]).status_code == 200
    end_window(shop, CountedSubject(OF_CALLER, f"key:{gate.key_id}"))
    assert gate.inspect(ticket_code=tickets[0].code, phone_last4=RIGHT).status_code == 200


def test_a_rotated_key_is_still_the_same_typist(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    use_up(shop, CountedSubject(OF_CALLER, f"key:{gate.key_id}"))
    made = shop.operate(
        lambda database, runtime: rotate_key(database, runtime, gate.key_id, timedelta(days=1))
    )
    rotated = Gate(shop.client(made.key), gate.device_id, made.id)

    assert rotated.inspect(ticket_code=ticket.code, phone_last4=WRONG).status_code == 429


def test_all_gates_of_one_partner_have_so_many_wrong_entries_together(
    gate: Gate, seller: Seller, ticket: Ticket, shop: Shop
) -> None:
    use_up(shop, CountedSubject(OF_GATES, f"{seller.partner_id}"))

    assert gate.inspect(ticket_code=ticket.code, phone_last4=WRONG).status_code == 429
    assert OF_GATES.attempts_max > OF_CALLER.attempts_max * OF_GATES.window_seconds / (
        OF_CALLER.window_seconds
    ), "one key alone locks nobody else out"


def test_right_digits_may_be_typed_as_often_as_a_busy_gate_needs(gate: Gate, ticket: Ticket) -> None:
    answers = [
        gate.inspect(ticket_code=ticket.code, phone_last4=RIGHT) for _ in range(OF_CALLER.attempts_max * 2)
    ]

    assert {answer.status_code for answer in answers} == {200}


def test_wrong_digits_are_counted_for_the_operator_to_see(gate: Gate, ticket: Ticket, shop: Shop) -> None:
    for digits in (WRONG, WRONG, RIGHT):
        gate.inspect(ticket_code=ticket.code, phone_last4=digits)

    rows = shop.sql("SELECT code, counted, device_id FROM gate_counts WHERE owner = %s", f"key:{gate.key_id}")
    assert rows == [{"code": "DIGITS_WRONG", "counted": 2, "device_id": gate.device_id}]


def test_more_digits_are_taken_and_must_be_right(gate: Gate, ticket: Ticket) -> None:
    for digits, status in (("234567890", 200), ("1234567890", 200), ("334567890", 404), ("01234567890", 404)):
        assert gate.inspect(ticket_code=ticket.code, phone_last4=digits).status_code == status
    for digits in ("789", "1" * 16, "78 90", "７８９０"):
        assert gate.inspect(ticket_code=ticket.code, phone_last4=digits).status_code == 400


def test_the_operator_may_want_more_digits(shop: Shop, gate: Gate, seller: Seller, ticket: Ticket) -> None:
    caller = GateCaller("key:1", seller.partner_id, frozenset({"gate:manual-entry"}), 1)

    async def check(database: Database, runtime: Runtime, digits: str) -> str:
        entries = ManualEntries(database, runtime, GateRules(phone_digits=6))
        return await entries.check(caller, ManualEntry(ticket.code, digits, gate.device_id))

    assert shop.operate(lambda database, runtime: check(database, runtime, "567890")) == ticket.code
    with pytest.raises(Invalid) as refused:
        shop.operate(lambda database, runtime: check(database, runtime, "7890"))
    assert refused.value.errors[0].pointer == "#/phone_last4"
    assert "6 digits" in refused.value.errors[0].detail


@pytest.mark.parametrize(
    "spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')}\t"]
)
def test_a_code_is_taken_however_it_was_typed(gate: Gate, ticket: Ticket, spelling: Any) -> None:
    answer = gate.redeem(ticket_code=spelling(ticket.code), phone_last4=RIGHT)

    assert (answer.status_code, answer.json()["ticket_code"]) == (200, ticket.code)
    assert gate.inspect(ticket_code=spelling(ticket.code), phone_last4=RIGHT).json()["is_admitted"]


def test_after_ten_wrong_guesses_at_a_ticket_not_even_the_right_digits_are_taken(
    gate: Gate, ticket: Ticket
) -> None:
    for _ in range(OF_TICKET.attempts_max):
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
    assert statuses == [404] * OF_TICKET.attempts_max + [429] * (30 - OF_TICKET.attempts_max)


def test_the_right_digits_are_not_counted_among_the_wrong(gate: Gate, ticket: Ticket) -> None:
    for _ in range(OF_TICKET.attempts_max + 2):
        answer = another_device(gate).inspect(ticket_code=ticket.code, phone_last4=RIGHT)
        assert answer.status_code == 200


def test_a_stranger_who_guesses_does_not_lock_the_ticket_for_its_own_gates(
    gate: Gate, ticket: Ticket, shop: Shop
) -> None:
    stranger = gate_of(shop, shop.seller().name)
    guesses = [
        another_device(stranger).redeem(ticket_code=ticket.code, phone_last4=WRONG)
        for _ in range(OF_TICKET.attempts_max + 1)
    ]

    assert [guess.status_code for guess in guesses] == [404] * OF_TICKET.attempts_max + [429]
    assert gate.redeem(ticket_code=ticket.code, phone_last4=RIGHT).status_code == 200
