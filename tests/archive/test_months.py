"""Reads of audit events that are partitioned by month: a search by time finds the same as without months, and reads few of them."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Literal
from psycopg.types.json import Jsonb
from support.old_months import NOW, add_month, at, months_ago
from support.past import activate, generate
from support.postgres import own_database
from support.shop import Seller, Shop

from premade.audit.events import TicketRedeemed
from premade.console.audit.search import EVENTS_A_PAGE, EventFilter, EventPage, search_events
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.postgres.pool import SESSION_SETTINGS
from premade.postgres.statements import Statement
from premade.redemption.inspect import sql as inspection
from premade.redemption.redeem import redeem_all
from premade.redemption.redeem_sql import ScanOutcome, ScanResult
from premade.redemption.scan import Entry, PresentedTicket, Scan
from premade.runtime.clock import Runtime
from premade.tickets.history import OF_BATCH, OF_TICKET
from premade.tickets.lookup import sql as tickets

MONTHS = 8
ADD = """
INSERT INTO audit_events (event, actor, data, occurred_at) VALUES ('ticket.redeemed', 'key:1', %s, %s) RETURNING event_id
"""


@pytest.fixture(name="shop", scope="module")
def _shop(dsn: str) -> Iterator[Shop]:
    """A shop with partitions of the last months."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        for number in range(1, MONTHS + 1):
            add_month(shop, months_ago(number))
        yield shop


@pytest.fixture(name="seller", scope="module")
def _seller(shop: Shop) -> Seller:
    return shop.seller()


def recorded(shop: Shop) -> dict[int, datetime]:
    """Add events at irregular times, some of them from scans that were uploaded weeks later. Return when each was recorded."""
    chance = random.Random(47)
    times: dict[int, datetime] = {}
    moment, end = months_ago(MONTHS - 1).starts_at, datetime.now(UTC) - timedelta(hours=1)
    while (moment := moment + timedelta(hours=chance.choice([0.01, 1, 5, 30, 200]))) < end:
        is_late = chance.random() < 0.5
        data = {"synced_at": moment.isoformat()} if is_late else {}
        happened = moment - timedelta(days=chance.uniform(10, 29)) if is_late else moment
        [row] = shop.sql(ADD, Jsonb(data), happened)
        times[row["event_id"]] = moment
    return times


def test_a_search_by_time_finds_all_events_that_were_recorded_then(shop: Shop) -> None:
    times = recorded(shop)
    chance = random.Random(48)
    moments = [
        None,
        *(moment.starts_at for moment in map(months_ago, (0, 3, MONTHS, MONTHS + 2))),
        *(chance.choice(list(times.values())) + timedelta(hours=chance.uniform(-3, 3)) for _ in range(20)),
        datetime.now(UTC) + timedelta(days=40),
    ]
    spans = chance.sample(list(itertools.product(moments, moments)), 80)

    async def search(database: Database, _: Runtime) -> list[EventPage]:
        return [
            await search_events(database, EventFilter(actor="key:1", start=start, before=before), None)
            for start, before in spans
        ]

    for (start, before), page in zip(spans, shop.operate(search), strict=True):
        expected = [
            event_id
            for event_id, moment in times.items()
            if (start is None or moment >= start) and (before is None or moment < before)
        ]
        found = [event.event_id for event in page.events]
        assert found == sorted(expected, reverse=True)[:EVENTS_A_PAGE], (start, before)


def months_read(shop: Shop, statement: Statement[..., Any], **values: Any) -> set[str]:
    """Return the partitions of events that the statement reads, with the plan that PostgreSQL keeps for all values."""
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute(SESSION_SETTINGS)
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(b"PREPARE it AS " + statement.text)
        arguments = SQL(", ").join([Literal(value) for value in statement.arguments(values)])
        row = connection.execute(
            SQL("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE it({})").format(arguments)
        ).fetchone()
        assert row is not None
    pending, found = [row[0][0]["Plan"]], set[str]()
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if node["Actual Loops"] and str(node.get("Relation Name")).startswith("audit_events"):
            found.add(node["Relation Name"].removeprefix("audit_events_"))
    return found


def name_of(number: int) -> str:
    month = months_ago(number)
    return f"{month.year:04}_{month.number:02}"


@pytest.mark.parametrize("age", [1, 4])
def test_a_ticket_with_its_history_reads_no_month_from_before_it(
    shop: Shop, seller: Seller, age: int
) -> None:
    then = at(shop, months_ago(age))
    [ticket] = generate(then, seller).tickets
    activate(then, seller, ticket.ticket_code)

    read = months_read(
        shop, tickets.ticket_with_history, partner_id=seller.partner_id, ticket_code=ticket.ticket_code, generated="g",
        events_max=9, events=[each.event_name for each in OF_TICKET],
        events_of_batch=[each.event_name for each in OF_BATCH],
    )  # fmt: skip

    assert name_of(age) in read
    assert not read & {name_of(number) for number in range(age + 1, MONTHS + 1)}


def test_the_gate_reads_the_months_since_the_first_use(shop: Shop, seller: Seller) -> None:
    [unused, used] = [each.ticket_code for each in generate(at(shop, months_ago(6)), seller, 2).tickets]
    for code in (unused, used):
        activate(at(shop, months_ago(5)), seller, code)
    gate = GateCaller("key:1", seller.partner_id, frozenset(), key_id=1)
    scan = Scan(gate, "r", PresentedTicket(used, 1), "ferry", 1, "GATE-1", "S1", Entry.SCAN)

    async def use(database: Database, runtime: Runtime) -> list[ScanResult]:
        async with database.transaction() as tx:
            return await redeem_all(tx, runtime, [scan], lock_timeout_ms=1000)

    [result] = at(shop, months_ago(3)).operate(use)
    assert result.outcome is ScanOutcome.REDEEMED

    def read_by_inspection(code: str) -> set[str]:
        return months_read(
            shop, inspection.ticket_at_gate, ticket_code=code, partner_id=seller.partner_id, event=TicketRedeemed.event_name,
            today=NOW.date(), zone="UTC",
        )  # fmt: skip

    assert read_by_inspection(unused) == set()
    read = read_by_inspection(used)
    assert name_of(3) in read
    assert not read & {name_of(number) for number in range(4, MONTHS + 1)}
