"""The history of the test partner: as if it had been sold day by day, beside what is live, and once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from monitoring.test_days import at, counted, days_of, seen
from monitoring.test_metrics import own_database, rendered
from support.past import activate, expire, generate
from support.shop import Seller, Shop

from premade.catalog.product import list_products
from premade.demo.history import DAYS, PARTNER, SalesLine, make_history
from premade.monitoring.gauges import DatabaseFigures

ZONE = ZoneInfo("Asia/Hong_Kong")
LIVE = {
    "figures": "SELECT 1",
    "allotments": "SELECT a.* FROM allotments a JOIN channels USING (channel) WHERE NOT is_test ORDER BY 1, 2",
    "tickets": "SELECT t.* FROM pre_generated_tickets t JOIN partners USING (partner_id) WHERE NOT is_test ORDER BY 1",
    "batches": "SELECT b.* FROM batches b JOIN partners USING (partner_id) WHERE NOT is_test ORDER BY 1, 2",
    "days": "SELECT s.* FROM sales_days s JOIN partners USING (partner_id) WHERE NOT is_test ORDER BY 1, 2, 3, 4",
    "products": "SELECT * FROM products ORDER BY 1",
}


CLOCK_GAUGE = "premade_database_clock_ahead_seconds "


@pytest.fixture(scope="module")
def shop(dsn: str) -> Iterator[Shop]:
    """Somebody sells live tickets there, some of which nobody bought in time."""
    with own_database(dsn) as own:
        now = datetime.combine(datetime.now(ZONE).date(), time(15), tzinfo=ZONE).astimezone(UTC)
        shop = at(Shop(own, "", replace(Shop(own, "").runtime, zone=ZONE)), now)
        seller = shop.seller()
        past = at(shop, now - timedelta(days=20))
        generate(past, seller, 5, valid_until=(now - timedelta(days=10)).date())
        activate(past, seller, generate(past, seller, 5).tickets[0].ticket_code)
        yield shop


def live(shop: Shop) -> dict[str, Any]:
    told = {name: shop.sql(query) for name, query in LIVE.items()}
    gauges = rendered(DatabaseFigures(shop.dsn, shop.runtime)).splitlines()
    # The service's clock stands still here, the database's does not.
    return told | {"gauges": [line for line in gauges if not line.startswith(CLOCK_GAUGE)]}


def tell_history(shop: Shop) -> int:
    [product] = shop.operate(lambda database, _: list_products(database))
    lines = [SalesLine(product, 20, 3.0)]
    return shop.operate(lambda database, runtime: make_history(database, runtime, lines))


def history_partner(shop: Shop) -> Seller:
    [partner] = shop.sql("SELECT * FROM partners WHERE name = %s", PARTNER)
    [product] = shop.sql("SELECT product_id FROM products")
    none: Any = None
    return Seller(PARTNER, partner["partner_id"], partner["channel"], product["product_id"], "", 0, none)


@pytest.mark.nightly
def test_it_touches_nothing_live_is_whole_and_goes_on_with_the_days_that_are_missing(shop: Shop) -> None:
    before = live(shop)

    sold = tell_history(shop)

    assert live(shop) == before
    assert sold > 1_000
    partner = history_partner(shop)
    figures = seen(shop, partner.partner_id, DAYS + 1)
    assert days_of(figures) == counted(shop, partner)
    assert len({day for day, *_ in days_of(figures)}) == DAYS
    assert sum(tickets for _, _, tickets, _ in days_of(figures)) == sold
    assert len(figures.refusals) > DAYS
    states = shop.sql(
        "SELECT DISTINCT status FROM pre_generated_tickets WHERE partner_id = %s", partner.partner_id
    )
    assert {row["status"] for row in states} == {"PRE_GENERATED", "ACTIVE", "USED", "CANCELLED"}
    [late] = shop.sql(
        "SELECT count(*) AS events FROM audit_events WHERE partner_id = %s AND occurred_at > %s",
        partner.partner_id,
        shop.runtime.now().replace(hour=0) - timedelta(hours=8),
    )
    assert late["events"] == 0
    books_balance(shop, partner)

    assert tell_history(shop) == 0
    again = seen(shop, partner.partner_id, DAYS + 1)
    assert (days_of(again), again.refusals) == (days_of(figures), figures.refusals)

    tomorrow = at(shop, shop.runtime.now() + timedelta(days=1))
    assert 0 < tell_history(tomorrow) < sold / 20
    assert len({day for day, *_ in days_of(seen(tomorrow, partner.partner_id, DAYS + 2))}) == DAYS + 1

    # What nobody bought in time the service expires when it comes by, as anybody's.
    assert expire(shop).expired > 0
    books_balance(shop, partner)


def books_balance(shop: Shop, partner: Seller) -> None:
    [own] = shop.sql("SELECT issued FROM allotments WHERE channel = %s", partner.channel)
    [all_of_them] = shop.sql(
        "SELECT count(*) AS tickets FROM pre_generated_tickets WHERE partner_id = %s"
        " AND status NOT IN ('CANCELLED', 'EXPIRED')",
        partner.partner_id,
    )
    assert own["issued"] == all_of_them["tickets"]
    orders = shop.sql(
        "SELECT o.order_id FROM ota_orders o JOIN pre_generated_tickets t USING (partner_id, order_id)"
        " WHERE o.partner_id = %s AND (o.total_amount, o.currency, o.created_at, o.ticket_codes)"
        " IS DISTINCT FROM (t.price, t.currency, t.activated_at, ARRAY[t.ticket_code])",
        partner.partner_id,
    )
    assert orders == []
