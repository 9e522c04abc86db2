"""A test ticket opens no real gate, and a real ticket is not used up by a gate in test mode."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gate.conftest import Gate, Ticket, gate_of, sold
from support.gate import Device
from support.shop import Seller, Shop, unique
from support.signing_seeds import seeds_of
from support.terminal import Operator

from premade.runtime.clock import rfc3339
from premade.tickets.code import Signer

DIGITS = "7890"
REFUSED_AS_TEST = ("TEST_TICKET", "This is a test ticket. It opens no gate.")


@pytest.fixture
def tester(shop: Shop) -> Seller:
    return shop.seller(is_test=True)


@pytest.fixture
def trial_ticket(tester: Seller) -> Ticket:
    return sold(tester)[0]


@pytest.fixture
def trial_gate(shop: Shop) -> Gate:
    """A device of the operator's in test mode."""
    return gate_of(shop, None, is_test=True)


def signed_by_a_live_key(shop: Shop, ticket: Ticket) -> Ticket:
    """As it was before there were test keys."""
    return replace(ticket, qr=Signer.of("K1", seeds_of(shop.dsn)["K1"]).token(ticket.code, 1))


def uploaded(gate: Gate, ticket: Ticket) -> dict[str, Any]:
    use = {
        "scan_id": unique("off"),
        "qr": ticket.qr,
        "function_code": "ferry",
        "scanned_at": rfc3339(datetime.now(UTC) - timedelta(hours=1)),
    }
    answer = gate.sync(use)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]


@pytest.mark.parametrize("as_it_was", [False, True], ids=["test key", "live key"])
def test_the_operator_s_gate_refuses_a_test_ticket_however_it_comes(
    shop: Shop, operator_gate: Gate, trial_ticket: Ticket, *, as_it_was: bool
) -> None:
    ticket = signed_by_a_live_key(shop, trial_ticket) if as_it_was else trial_ticket
    assert ticket.qr.split(":")[3].startswith("K" if as_it_was else "T")

    scanned = operator_gate.redeem(ticket)
    typed = operator_gate.redeem(ticket_code=ticket.code, phone_last4=DIGITS)
    looked_at = operator_gate.inspect(ticket).json()
    synced = uploaded(operator_gate, ticket)

    for answer in (scanned, typed):
        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, *REFUSED_AS_TEST)
    assert (looked_at["is_admitted"], looked_at["refusal"], looked_at["message"]) == (False, *REFUSED_AS_TEST)
    assert (synced["outcome"], synced["code"], synced["message"]) == ("conflict", *REFUSED_AS_TEST)
    [row] = shop.sql("SELECT first_used_at FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    assert row["first_used_at"] is None


def test_it_is_a_test_ticket_first_whatever_else_it_is(
    shop: Shop, operator_gate: Gate, tester: Seller
) -> None:
    [ticket] = sold(tester)
    shop.sql("UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", ticket.code)

    assert operator_gate.redeem(ticket, "spa").json()["code"] == "TEST_TICKET"


def test_the_test_partner_s_own_gate_admits_it(shop: Shop, tester: Seller, trial_ticket: Ticket) -> None:
    own = gate_of(shop, tester.name)

    assert own.redeem(trial_ticket).status_code == 200
    assert own.inspect(trial_ticket).json()["is_admitted"]
    assert uploaded(own, trial_ticket)["outcome"] == "accepted"


def test_a_gate_in_test_mode_admits_test_tickets_and_uses_up_no_other(
    shop: Shop, trial_gate: Gate, trial_ticket: Ticket, ticket: Ticket
) -> None:
    assert trial_gate.redeem(trial_ticket).status_code == 200
    assert uploaded(trial_gate, signed_by_a_live_key(shop, trial_ticket))["outcome"] == "accepted"

    scanned = trial_gate.redeem(ticket)
    typed = trial_gate.redeem(ticket_code=ticket.code, phone_last4=DIGITS)

    assert [(answer.status_code, answer.json()["code"]) for answer in (scanned, typed)] == [
        (409, "LIVE_TICKET")
    ] * 2
    assert trial_gate.inspect(ticket).json()["refusal"] == "LIVE_TICKET"
    assert uploaded(trial_gate, ticket)["code"] == "LIVE_TICKET"
    [row] = shop.sql("SELECT first_used_at FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    assert row["first_used_at"] is None


def test_each_list_for_gates_without_network_has_its_own_kind_of_tickets(
    shop: Shop,
    operator_gate: Gate,
    trial_gate: Gate,
    trial_ticket: Ticket,
    ticket: Ticket,
    tester: Seller,
    seller: Seller,
) -> None:
    live, test = Device(operator_gate.http), Device(trial_gate.http)
    heads = [device.http.get("/api/gate/snapshot").text.splitlines()[0] for device in (live, test)]
    assert ['"test":false' in heads[0], '"test":true' in heads[1]] == [True, True]
    live.sync()
    test.sync()
    assert (ticket.code in live.tickets, trial_ticket.code in live.tickets) == (True, False)
    assert (ticket.code in test.tickets, trial_ticket.code in test.tickets) == (False, True)

    [new], [new_test] = sold(seller), sold(tester)
    for device in (live, test):
        device.sync()
        assert device.kinds == ["full", "changes"]

    assert (new.code in live.tickets, new_test.code in live.tickets) == (True, False)
    assert (new.code in test.tickets, new_test.code in test.tickets) == (False, True)
    # A list of the other kind is none to go on from.
    test.since = live.since
    test.sync()
    assert test.kinds[-1] == "full"
    own = Device(gate_of(shop, tester.name).http)
    own.sync()
    assert set(own.tickets) == {trial_ticket.code, new_test.code}


def test_a_key_for_test_mode_is_made_and_rotated_by_the_command(shop: Shop, trial_ticket: Ticket) -> None:
    operator = Operator(shop.dsn)
    made = operator.does("key", "create", "--operator", "--test", "--permission", "gate:redeem")
    rotated = operator.does("key", "rotate", str(made["id"]), "--overlap", "1h")

    for key in (made, rotated):
        assert key["key"].startswith("pm_test_")
        gate = Gate(shop.client(key["key"]), unique("GATE"), key["id"])
        assert gate.redeem(trial_ticket).status_code == 200
    listed = {key["key_id"]: key["is_test"] for key in operator.does("key", "list")}
    assert listed[made["id"]] is listed[rotated["id"]] is True


def test_a_partner_s_key_takes_no_test_mode(shop: Shop, seller: Seller) -> None:
    refused = Operator(shop.dsn).is_refused(
        "key", "create", "--partner", seller.name, "--test", "--permission", "gate:redeem"
    )

    assert "test" in refused
    assert "Only for a key of the operator" in refused


@pytest.mark.parametrize(
    "change",
    [
        lambda qr: f"{qr}\r\n",
        lambda qr: f"\t {qr} ",
        lambda qr: f"]Q1{qr}",
        lambda qr: qr.lower(),
        lambda qr: f"]q1{qr.lower()}\t",
    ],
    ids=["line end", "blanks", "identifier", "caps lock", "all of it"],
)
def test_a_token_is_read_whatever_the_scanner_adds(
    gate: Gate, seller: Seller, change: Callable[[str], str]
) -> None:
    [ticket] = sold(seller)
    read = replace(ticket, qr=change(ticket.qr))

    assert gate.redeem(read).status_code == 200
    assert gate.inspect(read).json()["ticket_code"] == ticket.code
    assert uploaded(gate, read)["outcome"] == "accepted"
