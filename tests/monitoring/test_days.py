"""Sales and refusals by day: days end at midnight of the operator's zone, and nothing is counted twice or lost."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from monitoring.test_metrics import activate_at, deltas, nothing_is_folded, roll_up_everything
from psycopg.conninfo import conninfo_to_dict
from support.past import activate, generate
from support.postgres import own_database
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.taking_back import caller_of

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.monitoring.figures import ALL_PARTNERS, Figures, read_figures
from premade.monitoring.refusals import WRITE_EVERY_SECONDS, add_refusals, write_refusals
from premade.monitoring.rollup import DAYS_KEPT, roll_up_once
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import DatabaseAway
from premade.runtime.refusal_counter import Refused, note_refusal, take_refusals

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
BY_DAY = """
    SELECT (t.activated_at AT TIME ZONE %s)::date AS day, t.currency, count(*) AS tickets, sum(t.price) AS amount
    FROM pre_generated_tickets t JOIN partners p USING (partner_id)
    WHERE t.activated_at IS NOT NULL AND p.partner_id = ANY(%s)
    GROUP BY 1, 2 ORDER BY 1, 2
"""


@pytest.fixture
def own(dsn: str) -> Iterator[Shop]:
    """The operator of a database of its own, in Hong Kong; no process folds it but the test."""
    with own_database(dsn) as own_dsn:
        yield Shop(own_dsn, "", Runtime(HONG_KONG))


def at(shop: Shop, moment: datetime) -> Shop:
    return replace(shop, runtime=replace(shop.runtime, now=lambda: moment))


def seen(shop: Shop, partner_id: int | None = ALL_PARTNERS, days: int = 90) -> Figures:
    return shop.operate(lambda database, runtime: read_figures(database, runtime, partner_id, days))


def days_of(figures: Figures) -> list[tuple[date, str, int, Decimal]]:
    return [(each.key, each.currency, each.tickets, each.amount) for each in figures.sales_by_day]


def counted(shop: Shop, *sellers: Seller) -> list[tuple[date, str, int, Decimal]]:
    """The same, ticket by ticket."""
    rows = shop.sql(BY_DAY, str(shop.runtime.zone), [seller.partner_id for seller in sellers])
    return [(row["day"], row["currency"], row["tickets"], row["amount"]) for row in rows]


def test_a_day_ends_at_midnight_of_the_operators_zone_folded_or_not(own: Shop) -> None:
    noon = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0)
    midnight = noon.replace(hour=16) - timedelta(days=2)
    seller = own.seller(price=Decimal("10.50"))
    codes = [ticket.ticket_code for ticket in generate(own, seller, 3).tickets]
    for code, seconds in zip(codes, (-1, 0, 1), strict=True):
        activate_at(own, seller, code, midnight + timedelta(seconds=seconds))
    before, after = midnight.date(), midnight.date() + timedelta(days=1)

    for _ in ("appended", "folded"):
        found = days_of(seen(at(own, noon)))
        assert found == [(before, "HKD", 1, Decimal("10.50")), (after, "HKD", 2, Decimal("21.00"))]
        assert found == counted(own, seller)
        roll_up_everything(own)
    assert deltas(own) == 0
    # Of a period its first and its last day count, and none beside them.
    assert [day for day, *_ in days_of(seen(at(own, noon), days=(noon.date() - after).days + 1))] == [after]


def test_test_partners_are_left_out_of_all_and_seen_by_themselves(own: Shop) -> None:
    live, tester = own.seller(), own.seller(is_test=True)
    for seller in (live, live, tester):
        activate(own, seller, generate(own, seller, 2).tickets[0].ticket_code)
    for seller, count in ((live, 3), (tester, 5)):
        refused = Counter[Refused]({(seller.partner_id, "STOCK_SHORT"): count})
        own.operate(lambda database, runtime, of=refused: add_refusals(database, runtime.today(), of))
    own.operate(
        lambda database, runtime: add_refusals(
            database, runtime.today(), Counter({(None, "API_KEY_INVALID"): 2})
        )
    )

    everybody, only = seen(own), seen(own, tester.partner_id)

    assert [each.tickets for each in everybody.sales_by_day] == [2]
    assert (everybody.unused, everybody.activated) == (2, 2)
    assert {row.code: row.refused for row in everybody.refusals} == {
        "STOCK_SHORT": 3,
        "API_KEY_INVALID": 2,
    }
    assert {row.channel for row in everybody.stock} == {live.channel}
    assert [each.tickets for each in only.sales_by_day] == [1]
    assert (only.unused, only.activated) == (1, 1)
    assert {row.code: row.refused for row in only.refusals} == {"STOCK_SHORT": 5}
    assert {row.channel for row in only.stock} == {tester.channel}


def test_currencies_and_products_stay_apart_also_when_a_product_changes_its_own(own: Shop) -> None:
    seller = own.seller(price=Decimal("288.00"))
    other = replace(seller, product_id=own.product(seller.channel, 10, price=Decimal("7.25"), currency="EUR"))
    first = generate(own, seller, 2).tickets
    own.sql("UPDATE products SET price = 30, currency = 'USD' WHERE product_id = %s", seller.product_id)
    second = generate(own, seller, 1).tickets
    for ticket in (*first, *second, *generate(own, other, 1).tickets):
        activate(own, seller, ticket.ticket_code)

    figures = seen(own)

    assert days_of(figures) == counted(own, seller)
    assert {(each.key, each.currency, each.tickets, each.amount) for each in figures.sales_by_product} == {
        (seller.product_id, "HKD", 2, Decimal("576.00")),
        (seller.product_id, "USD", 1, Decimal("30.00")),
        (other.product_id, "EUR", 1, Decimal("7.25")),
    }


def test_several_who_fold_at_once_while_others_sell_count_each_sale_once(own: Shop) -> None:
    seller = own.seller()
    codes = [ticket.ticket_code for ticket in generate(own, seller, 40).tickets]
    over = threading.Event()

    async def fold(database: Database, runtime: Runtime) -> None:
        while not over.is_set():
            await roll_up_once(database, runtime)

    async def sell(database: Database, runtime: Runtime) -> set[int]:
        """By how much the figures are ever off."""
        activator, off = Activator(database, runtime), set[int]()
        for sold, code in enumerate(codes, 1):
            customer = ("John Smith", "john@example.com", "+1234567890", "PAY")
            await activator.activate(Activation(caller_of(seller), "r", code, *customer))
            figures = await read_figures(database, runtime, ALL_PARTNERS, 1)
            off.add(sum(each.tickets for each in figures.sales_by_day) - sold)
        return off

    folders = [threading.Thread(target=own.operate, args=(fold,)) for _ in range(2)]
    for folder in folders:
        folder.start()
    try:
        assert own.operate(sell) == {0}
    finally:
        over.set()
        for folder in folders:
            folder.join()
    roll_up_everything(own)
    assert days_of(seen(own)) == counted(own, seller)
    assert own.sql("SELECT sum(tickets)::int AS tickets FROM sales_days") == [{"tickets": 40}]


def test_days_are_kept_for_two_years_and_then_forgotten(own: Shop) -> None:
    today = own.runtime.today()
    oldest = today - DAYS_KEPT
    for day in (oldest - timedelta(days=1), oldest, today):
        own.sql("INSERT INTO sales_days VALUES (%s, 1, 1, 'HKD', 1, 1)", day)
        own.sql("INSERT INTO refusal_days VALUES (%s, 1, 'STOCK_SHORT', 1)", day)

    own.operate(roll_up_once)

    for table in ("sales_days", "refusal_days"):
        assert [row["day"] for row in own.sql(f"SELECT day FROM {table} ORDER BY day")] == [oldest, today]


# Refusals


def refusals(shop: Shop) -> dict[tuple[int | None, str], int]:
    rows = shop.sql("SELECT partner_id, code, sum(refused)::int AS refused FROM refusal_days GROUP BY 1, 2")
    return {(row["partner_id"], row["code"]): row["refused"] for row in rows}


def refused_by(seller: Seller, service: Service) -> dict[tuple[int | None, str], int]:
    """What is refused now, of a partner and of somebody nobody knows; the pages that a machine asks for are none."""
    [code] = seller.tickets(1)
    assert seller.activate(code).status_code == 200
    for _ in range(3):
        assert seller.activate(code).status_code == 409
    assert seller.generate(0).status_code == 400
    assert seller.http.post("/api/ota/tickets/bulk-generate", content=b"x").status_code == 415
    nobody = {"X-API-Key": "pm_live_none"}
    assert seller.http.get("/api/ota/inventory", headers=nobody).status_code == 401
    assert seller.http.get("/readyz").status_code == 200
    return {
        (seller.partner_id, "ALREADY_ACTIVATED"): 3,
        (seller.partner_id, "INVALID_REQUEST"): 1,
        (seller.partner_id, "NOT_JSON"): 1,
        (None, "API_KEY_INVALID"): 1,
    }


@pytest.mark.nightly
def test_refusals_are_written_by_day_partner_and_code_while_the_service_runs_and_when_it_stops(
    dsn: str, tmp_path: Path
) -> None:
    with own_database(dsn) as own_dsn:
        with running_service(environment_for(own_dsn), tmp_path / "log") as service:
            shop = Shop(own_dsn, service.url)
            expected = refused_by(shop.seller(), service)
            deadline = time.monotonic() + 5 * WRITE_EVERY_SECONDS
            while refusals(shop) != expected and time.monotonic() < deadline:
                time.sleep(0.1)
            assert refusals(shop) == expected
            expected |= refused_by(shop.seller(), service)
            expected[None, "API_KEY_INVALID"] = 2
        assert refusals(shop) == expected
        assert {row["day"] for row in shop.sql("SELECT day FROM refusal_days")} == {datetime.now(UTC).date()}


def test_refusals_that_cannot_be_written_wait(dsn: str) -> None:
    take_refusals()
    with own_database(dsn) as own_dsn:
        shop = Shop(own_dsn, "")
        note_refusal(7, "STOCK_SHORT")
        note_refusal(7, "STOCK_SHORT")

        async def lose_the_database(database: Database, runtime: Runtime) -> None:
            async with database.single_statement():
                pass
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [conninfo_to_dict(own_dsn)["dbname"]],
                )
            with pytest.raises(DatabaseAway):
                await write_refusals(database, runtime)

        shop.operate(lose_the_database)
        assert refusals(shop) == {}
        shop.operate(write_refusals)
        shop.operate(write_refusals)
        assert refusals(shop) == {(7, "STOCK_SHORT"): 2}


def test_nobody_waits_for_a_fold_to_see_the_figures(own: Shop) -> None:
    seller = own.seller()
    with nothing_is_folded(own.dsn):
        activate(own, seller, generate(own, seller, 1).tickets[0].ticket_code)
        shown: Any = seen(own)
    assert [each.tickets for each in shown.sales_by_day] == [1]
