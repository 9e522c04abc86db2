"""Whatever happens to a ticket, by whichever endpoint, the devices are told of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

from gate.conftest import Gate, Ticket, gate_of, sold, unsold
from gate.test_sync import use
from offline.test_snapshot import active
from support.gate import Device
from support.shop import Seller, Shop, unique
from support.taking_back import cancel, reissue

TAKERS = 6
STEPS_EACH = 25
USES = [("ferry",), ("ferry",), ("gift",), *[("tokens",)] * 10]


def test_each_endpoint_that_changes_a_ticket_tells_the_devices(seller: Seller, shop: Shop) -> None:
    gate = gate_of(shop, seller.name)
    device = Device(gate.http)
    batch_id = unique("BATCH")
    [drawn] = seller.tickets(1, batch_id=batch_id)
    activated, ordered, batched = seller.tickets(3, batch_id=unique("OTHER"))
    known, scanned, typed, away, revoked, taken_back, used_up = sold(seller, 7)
    device.sync()
    steps: dict[str, tuple[str, Callable[[], Any]]] = {
        "activate": (activated, lambda: seller.activate(activated)),
        "draw": (drawn, lambda: seller.draw(batch_id)),
        "order": (ordered, lambda: seller.order([ordered, batched])),
        "scan": (scanned.code, lambda: gate.redeem(scanned)),
        "typed": (typed.code, lambda: gate.redeem(ticket_code=typed.code, phone_last4="7890")),
        "sync": (away.code, lambda: gate.sync(use(away))),
        "reissue": (revoked.code, lambda: reissue(seller, revoked.code)),
        "cancel": (taken_back.code, lambda: cancel(seller, taken_back.code)),
        "last use": (used_up.code, lambda: [gate.redeem(used_up, *each) for each in USES]),
    }
    for what, (code, step) in steps.items():
        before = dict(device.tickets)
        step()
        assert code in {line["ticket_code"] for line in device.sync()}, what
        assert device.tickets == active(shop, seller), what
        assert device.tickets.get(code) != before.get(code), what
    assert known.code in device.tickets
    assert device.kinds == ["full"] + ["changes"] * len(steps)


def test_a_device_that_fetches_while_gates_and_sellers_work_knows_the_table_at_the_end(
    seller: Seller, shop: Shop
) -> None:
    gates = [gate_of(shop, seller.name) for _ in range(TAKERS)]
    tickets = [ticket for _ in range(2) for ticket in unsold(seller, 40)]
    device = Device(gates[0].http)
    device.sync()

    def tx(number: int) -> None:
        random, gate = Random(number), gates[number]
        for _ in range(STEPS_EACH):
            step(random, gate, seller, random.choice(tickets))

    with ThreadPoolExecutor(TAKERS) as pool:
        running = [pool.submit(tx, number) for number in range(TAKERS)]
        while not all(each.done() for each in running):
            device.sync()
        for each in running:
            each.result()
    device.sync()

    truth = active(shop, seller)
    assert device.tickets == truth
    assert truth
    assert device.kinds.count("full") == 1


def step(random: Random, gate: Gate, seller: Seller, ticket: Ticket) -> None:
    steps: list[Callable[[], Any]] = [
        lambda: seller.activate(ticket.code),
        lambda: gate.redeem(ticket, random.choice(["ferry", "gift", "tokens"])),
        lambda: gate.sync(use(ticket), use(ticket, "tokens")),
        lambda: reissue(seller, ticket.code),
        lambda: cancel(seller, ticket.code),
    ]
    [chosen] = random.choices(steps, [6, 6, 4, 1, 1])
    answer = chosen()
    assert answer.status_code in (200, 404, 409), answer.text
