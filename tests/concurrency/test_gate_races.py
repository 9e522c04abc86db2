"""Many gates at once: nothing is used twice, nothing is refused that was there, a retry uses nothing."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
from gate.conftest import Gate, Ticket, gate_of, sold
from support.plain_http import NO_TLS
from support.race import deadlocks, wait_until_something_waits_for_a_row
from support.shop import Seller, Shop, unique

Body = dict[str, Any]


def body(
    ticket: Ticket, scan_id: str, *, function: str = "tokens", device: str = "GATE", uses: int = 1
) -> Body:
    return {
        "qr": ticket.qr,
        "function_code": function,
        "uses": uses,
        "device_id": device,
        "scan_id": scan_id,
    }


def at_once(gate: Gate, bodies: list[Body]) -> list[httpx.Response]:
    """The answers to all, sent at the same moment, each over a connection of its own."""

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=gate.http.base_url,
            headers=gate.http.headers,
            limits=httpx.Limits(max_connections=len(bodies)),
            timeout=60,
            trust_env=False,
            verify=NO_TLS,
        ) as client:
            return await asyncio.gather(*(client.post("/api/gate/redemptions", json=each) for each in bodies))

    return asyncio.run(run())


def left(shop: Shop, ticket: Ticket) -> dict[str, int]:
    [row] = shop.sql("SELECT entitlements FROM pre_generated_tickets WHERE ticket_code = %s", ticket.code)
    return {each["function_code"]: each["remaining_uses"] for each in row["entitlements"]}


def test_fifty_scans_at_two_devices_use_ten_uses_ten_times(seller: Seller, shop: Shop) -> None:
    gate, [ticket] = gate_of(shop, seller.name), sold(seller)

    answers = at_once(gate, [body(ticket, f"s{n}", device=f"GATE-{n % 2}") for n in range(50)])

    assert Counter(answer.status_code for answer in answers) == {200: 10, 409: 40}
    assert sorted(a.json()["remaining"] for a in answers if a.status_code == 200) == list(range(10))
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {told["code"] for told in refused} == {"USED_UP"}
    granted = {a.request.content for a in answers if a.status_code == 200}
    assert all(f'"scan_id":"{told["scan_id"]}"' in str(granted) for told in refused)
    assert left(shop, ticket)["tokens"] == 0
    made = "SELECT FROM audit_events WHERE ticket_code = %s AND event = 'ticket.redeemed'"
    assert len(shop.sql(made, ticket.code)) == 10


def test_fifty_threads_on_the_last_use_let_one_in(seller: Seller, shop: Shop) -> None:
    gate, [ticket] = gate_of(shop, seller.name), sold(seller)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: gate.redeem(ticket, "gift"), range(50)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    [winner] = [answer.json() for answer in answers if answer.status_code == 200]
    assert {a.json()["used_at"] for a in answers if a.status_code == 409} == {winner["redeemed_at"]}


def test_one_scan_forty_times_at_once_uses_one(seller: Seller, shop: Shop) -> None:
    gate, [ticket] = gate_of(shop, seller.name), sold(seller)

    answers = at_once(gate, [body(ticket, "once")] * 40)

    assert Counter(answer.status_code for answer in answers) == {200: 40}
    assert len({answer.text for answer in answers}) == 1
    assert Counter(answer.headers.get("Idempotency-Replayed") for answer in answers) == {None: 1, "true": 39}
    assert left(shop, ticket)["tokens"] == 9


def test_one_scan_id_on_ten_tickets_at_once_uses_one(seller: Seller, shop: Shop) -> None:
    gate, tickets = gate_of(shop, seller.name), sold(seller, 10)

    answers = at_once(gate, [body(ticket, "same") for ticket in tickets for _ in range(2)])

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 2, 422: 18}
    assert sum(10 - left(shop, ticket)["tokens"] for ticket in tickets) == 1


def test_two_partners_and_the_operator_at_once_do_not_disturb_each_other(shop: Shop) -> None:
    sellers = [shop.seller(), shop.seller()]
    tickets = [sold(seller, 5) for seller in sellers]
    operator, own = gate_of(shop, None), [gate_of(shop, seller.name) for seller in sellers]

    def scan(number: int) -> list[int]:
        of, device = number % 2, f"G{number}"
        mine = [own[of].redeem(ticket, "tokens", device_id=device) for ticket in tickets[of]]
        strange = [own[of].redeem(ticket, device_id=device) for ticket in tickets[1 - of]]
        every = [operator.redeem(ticket, "tokens", device_id=device) for ticket in tickets[of]]
        return [answer.status_code for answer in (*mine, *strange, *every)]

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(scan, range(8)))

    assert statuses == [[200] * 5 + [404] * 5 + [200] * 5] * 8
    assert {left(shop, ticket)["tokens"] for each in tickets for ticket in each} == {2}


def test_scans_beside_uploads_of_the_same_tickets_never_deadlock_and_never_use_twice(
    seller: Seller, shop: Shop
) -> None:
    gate, tickets = gate_of(shop, seller.name), sold(seller, 20)
    before = deadlocks(shop)
    now = datetime.now(UTC).isoformat()

    def upload(number: int) -> int:
        shown = tickets if number % 2 else tickets[::-1]
        uses = [
            {"scan_id": unique("off"), "qr": ticket.qr, "function_code": "tokens", "scanned_at": now}
            for ticket in (*shown, *shown)
        ]
        answer = gate.sync(*uses, device_id=f"AWAY-{number}")
        assert answer.status_code == 200, answer.text
        return answer.json()["accepted"]

    with ThreadPoolExecutor(4) as pool:
        uploads = [pool.submit(upload, number) for number in range(4)]
        answers = at_once(gate, [body(tickets[n % 20], f"on{n}") for n in range(100)])
        accepted = sum(each.result() for each in uploads)

    granted = sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert accepted + granted == 200
    assert {left(shop, ticket)["tokens"] for ticket in tickets} == {0}
    assert deadlocks(shop) == before


def test_a_scan_waits_for_whoever_holds_the_ticket(seller: Seller, shop: Shop) -> None:
    gate, [ticket] = gate_of(shop, seller.name), sold(seller)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(shop.dsn) as holder:
        holder.execute(
            "UPDATE pre_generated_tickets SET status = 'CANCELLED' WHERE ticket_code = %s", [ticket.code]
        )
        answer = pool.submit(gate.redeem, ticket)
        wait_until_something_waits_for_a_row(shop)
        assert not answer.done()
        holder.commit()
        assert answer.result(30).json()["code"] == "CANCELLED"
