"""The statement that activates many tickets, from several connections over the same tickets and keys."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from support.race import deadlocks, wait_until_something_waits_for_a_row
from support.shop import Seller, Shop, unique

from premade.activation.activate import Activated, Activator, sql
from premade.activation.activate_sql import ActivationResult
from premade.activation.activation import Activation
from premade.activation.refusals import AlreadyActivated
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.postgres.database import Database, open_database
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, IdempotencyKeyReused
from premade.tickets.signing import Signers

CONNECTIONS = 4
ROWS = 200
ROUNDS = 10
WAVES = 3
BATCH = 100
OPPOSITE_PAIRS, OPPOSITE_PAIRS_MAX = 8, 20
"""Without the order, more than every second pair makes a deadlock."""
OUTCOMES = {"activated", "key_used", "unknown", "already_activated", "again"}


@dataclass
class Stall:
    """A partner, as the code below HTTP knows it, and the codes of its tickets."""

    caller: Caller
    product_id: int
    codes: list[str]


@asynccontextmanager
async def connected(shop: Shop) -> AsyncGenerator[Database]:
    async with open_database(shop.dsn, connections_max=CONNECTIONS) as database:
        yield database


async def stall(database: Database, runtime: Runtime, seller: Seller, batches: int) -> Stall:
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    generator = Generator(database, runtime, Signers(database, runtime))
    made = [
        await generator.generate(caller, "test", BatchRequest(seller.product_id, BATCH, unique("BATCH")))
        for _ in range(batches)
    ]
    return Stall(
        caller, seller.product_id, [ticket.ticket_code for batch in made for ticket in batch.tickets]
    )


def asked(caller: Caller, code: str, key: str | None, customer: str) -> Activation:
    return Activation(
        caller=caller,
        request_id="test",
        ticket_code=code,
        customer_name=customer,
        customer_email="john.smith@example.com",
        customer_phone="+1234567890",
        payment_reference="PAY-1",
        idempotency_key=key,
    )


def statement(
    chance: random.Random, stalls: list[Stall], keys: list[str], sent_before: list[Activation]
) -> list[Activation]:
    """A statement's worth of activations: no ticket and no key twice; retries and others' tickets too."""
    rows = chance.sample(sent_before, min(ROWS // 4, len(sent_before)))
    claimed: set[tuple[int, str, str]] = set().union(*(row.claims for row in rows))
    while len(rows) < ROWS:
        mine, other = chance.sample(stalls, 2)
        foreign = chance.random() < 0.1
        key = None if foreign or chance.random() < 0.4 else chance.choice(keys)
        code = chance.choice((other if foreign else mine).codes)
        if key is not None and chance.random() < 0.5:  # so that the same request comes again
            code = mine.codes[keys.index(key) % len(mine.codes)]
        row = asked(mine.caller, code, key, chance.choice(["John Smith", "Mei Wong"]))
        if claimed.isdisjoint(row.claims):
            claimed |= row.claims
            rows.append(row)
    return rows


async def settle(
    database: Database, activator: Activator, rows: list[Activation]
) -> list[tuple[Activation, ActivationResult]]:
    async with database.single_statement() as tx:
        outcomes = await activator._activate(tx, rows, LOCK_TIMEOUT_MS)
    assert [outcome.position for outcome in outcomes] == list(range(len(rows)))
    return list(zip(rows, outcomes, strict=True))


def assert_each_sale_is_one(shop: Shop, sellers: list[Seller]) -> dict[str, str]:
    """Ticket, order and audit event belong together one to one; answers the order of each sold ticket."""
    partners = [seller.partner_id for seller in sellers]
    tickets = shop.sql(
        "SELECT partner_id, ticket_code, order_id, status FROM pre_generated_tickets"
        " WHERE partner_id = ANY(%s) AND (status <> 'PRE_GENERATED' OR order_id IS NOT NULL)",
        partners,
    )
    orders = shop.sql("SELECT partner_id, order_id FROM ota_orders WHERE partner_id = ANY(%s)", partners)
    events = shop.sql(
        "SELECT partner_id, ticket_code, order_id FROM audit_events"
        " WHERE partner_id = ANY(%s) AND event = 'ticket.activated'",
        partners,
    )
    assert {ticket["status"] for ticket in tickets} == {"ACTIVE"}
    sold = Counter((ticket["partner_id"], ticket["order_id"]) for ticket in tickets)
    assert sold == Counter((order["partner_id"], order["order_id"]) for order in orders)
    assert set(sold.values()) == {1}
    told = Counter((event["partner_id"], event["ticket_code"], event["order_id"]) for event in events)
    assert told == Counter(
        (ticket["partner_id"], ticket["ticket_code"], ticket["order_id"]) for ticket in tickets
    )
    return {ticket["ticket_code"]: ticket["order_id"] for ticket in tickets}


@pytest.mark.nightly
def test_statements_on_the_same_tickets_and_keys_neither_fail_nor_sell_twice(shop: Shop) -> None:
    sellers = [shop.seller(stock=10_000), shop.seller(stock=10_000)]
    chance = random.Random(12)
    settled: list[tuple[Activation, ActivationResult]] = []

    async def run() -> None:
        async with connected(shop) as database:
            activator = Activator(database, shop.runtime)
            for turn in range(ROUNDS):
                stalls = [await stall(database, shop.runtime, seller, 1) for seller in sellers]
                keys = [f"{turn}-{number}" for number in range(80)]
                sent: list[list[Activation]] = [[]] * CONNECTIONS
                for _ in range(WAVES):
                    sent = [statement(chance, stalls, keys, before) for before in sent]
                    for pairs in await asyncio.gather(*(settle(database, activator, rows) for rows in sent)):
                        settled.extend(pairs)

    asyncio.run(run())

    seen = Counter(outcome.outcome for _, outcome in settled)
    assert sum(seen.values()) == ROUNDS * WAVES * CONNECTIONS * ROWS
    # Every way to meet another statement was met, or this would prove nothing.
    assert set(seen) == OUTCOMES
    same = {row.digest == outcome.request_digest for row, outcome in settled if outcome.outcome == "key_used"}
    assert same == {True, False}
    order_of = assert_each_sale_is_one(shop, sellers)
    sales = [(row.ticket_code, out.order_id) for row, out in settled if out.outcome == "activated"]
    assert len(sales) == len(order_of)
    assert dict(sales) == order_of
    key_of = {
        (order["partner_id"], order["idempotency_key"]): order["order_id"]
        for order in shop.sql(
            "SELECT partner_id, idempotency_key, order_id FROM ota_orders"
            " WHERE partner_id = ANY(%s) AND idempotency_key IS NOT NULL",
            [seller.partner_id for seller in sellers],
        )
    }
    tickets = shop.sql(
        "SELECT ticket_code, partner_id FROM pre_generated_tickets WHERE partner_id = ANY(%s)",
        [seller.partner_id for seller in sellers],
    )
    owner = {ticket["ticket_code"]: ticket["partner_id"] for ticket in tickets}
    for row, outcome in settled:
        foreign = owner[row.ticket_code] != row.caller.partner_id
        assert (outcome.outcome == "unknown") is foreign
        if outcome.outcome == "key_used":
            assert outcome.order_id == key_of[row.caller.partner_id, row.idempotency_key or ""]
        if outcome.outcome == "already_activated":
            assert outcome.order_id == order_of[row.ticket_code]


def test_two_processes_worth_of_queues_answer_every_request(shop: Shop) -> None:
    sellers = [shop.seller(), shop.seller()]
    chance = random.Random(34)

    async def run() -> list[tuple[Activation, Activated | BaseException]]:
        async with connected(shop) as database:
            stalls = [await stall(database, shop.runtime, seller, 1) for seller in sellers]
            activators = [Activator(database, shop.runtime) for _ in range(2)]
            rows = [
                asked(
                    mine.caller, chance.choice(mine.codes), chance.choice([None, f"K{number % 90}"]), "John"
                )
                for number in range(300)
                for mine in stalls
            ]
            answers = await asyncio.gather(
                *(activators[number % 3 % 2].activate(row) for number, row in enumerate(rows)),
                return_exceptions=True,
            )
            return list(zip(rows, answers, strict=True))

    answered = asyncio.run(run())

    order_of = assert_each_sale_is_one(shop, sellers)
    made = [answer for _, answer in answered if isinstance(answer, Activated) and not answer.replayed]
    assert len(made) == len(order_of) > 100
    assert {answer.ticket_code: answer.order_id for answer in made} == order_of
    for row, answer in answered:
        if isinstance(answer, Activated):
            assert order_of[row.ticket_code] == answer.order_id
        else:
            assert isinstance(answer, AlreadyActivated | IdempotencyKeyReused), repr(answer)


def whole(text: bytes) -> bytes:
    return text


def without_the_order_of_keys(text: bytes) -> bytes:
    order = b"ORDER BY partner_id, idempotency_key\n"
    assert text.count(order) == 1
    return text.replace(order, b"")


@pytest.mark.parametrize(("changed", "is_noticed"), [(whole, False), (without_the_order_of_keys, True)])
def test_keys_the_other_way_round_make_no_deadlock_and_without_their_order_it_would_be_noticed(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    *,
    changed: Callable[[bytes], bytes],
    is_noticed: bool,
) -> None:
    monkeypatch.setattr(sql, "activate", replace(sql.activate, text=changed(sql.activate.text)))
    seller = shop.seller(stock=10_000)
    before = deadlocks(shop)

    async def settled_at_once(database: Database, pair: list[list[Activation]]) -> None:
        """Both begin at the same moment: when the lock on the table goes."""
        activator = Activator(database, shop.runtime)
        holder = await psycopg.AsyncConnection[Any].connect(shop.dsn)
        async with holder:
            await holder.execute("LOCK TABLE ota_orders IN EXCLUSIVE MODE")
            both = [asyncio.create_task(settle(database, activator, rows)) for rows in pair]
            await asyncio.to_thread(wait_until_something_waits_for_a_row, shop, len(both))
            await holder.rollback()
            failed = await asyncio.gather(*both, return_exceptions=True)
        assert all(isinstance(one, Busy) for one in failed if isinstance(one, BaseException)), failed

    async def run() -> None:
        async with connected(shop) as database:
            for turn in range(OPPOSITE_PAIRS_MAX if is_noticed else OPPOSITE_PAIRS):
                mine = await stall(database, shop.runtime, seller, 2)
                first, second = sorted(mine.codes[:BATCH]), sorted(mine.codes[BATCH:])
                # A statement takes its tickets in the order of their codes: to these the keys run up, to those down.
                keys = [f"{turn}-{number:03d}" for number in range(BATCH)]
                up = [asked(mine.caller, code, key, "John") for code, key in zip(first, keys, strict=True)]
                down = [
                    asked(mine.caller, code, key, "Mei") for code, key in zip(second, keys[::-1], strict=True)
                ]
                await settled_at_once(database, [up, down])
                if deadlocks(shop) > before:
                    return

    asyncio.run(run())

    assert (deadlocks(shop) > before) is is_noticed
