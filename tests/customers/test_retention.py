"""Contact data is erased so many days after the last use, or the last day of use, of the order's tickets."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support import past
from support.postgres import own_database
from support.shop import Seller, Shop, unique
from support.taking_back import caller_of
from support.whole_record import later

from premade.cancellation.cancel import Canceller, CancelRequest
from premade.customers import retention
from premade.customers.retention import Portion, Retention
from premade.partners.keyring import GateCaller
from premade.redemption.redeem import Redeemer
from premade.redemption.scan import Entry, PresentedTicket, Scan
from premade.runtime.settings import Settings

DAYS = 30


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    with own_database(dsn) as own:
        yield Shop(own, "http://nowhere")


@pytest.fixture
def seller(shop: Shop) -> Seller:
    return shop.seller()


def sold(shop: Shop, seller: Seller, **product: Any) -> tuple[str, str]:
    """The code of a ticket that is sold, and its order."""
    product_id = shop.product(seller.channel, 10, **{"functions": {"ferry": 2}, **product})
    [ticket] = past.generate(shop, replace(seller, product_id=product_id), 1).tickets
    return ticket.ticket_code, past.activate(shop, seller, ticket.ticket_code).order_id


def use(shop: Shop, code: str, uses: int) -> None:
    scan = Scan(
        GateCaller("key:7", None, frozenset(), 7),
        "r",
        PresentedTicket(code, 1),
        "ferry",
        uses,
        "GATE-1",
        unique("scan"),
        Entry.SCAN,
    )
    shop.operate(lambda database, runtime: Redeemer(database, runtime).redeem(scan))


def whole_pass(shop: Shop, days_later: float) -> int:
    """Erase what is due at this time, and return the number of orders."""
    shop.sql("UPDATE customer_retention SET pass_ended_at = NULL")
    at, erased = later(shop, timedelta(days=days_later)), 0
    while True:
        portion: Portion = at.operate(lambda d, r: Retention(d, r, DAYS).erase_some())
        erased += portion.erased
        if portion.is_end:
            return erased


def erased(shop: Shop) -> set[str]:
    return {
        row["order_id"]
        for row in shop.sql("SELECT order_id FROM ota_orders WHERE customer_erased_at IS NOT NULL")
    }


def test_customers_are_erased_after_the_last_use_or_the_last_day_of_use(shop: Shop, seller: Seller) -> None:
    _, until_a_day = sold(shop, seller, usable_days=10)
    used_code, used = sold(shop, seller)
    use(later(shop, timedelta(days=5)), used_code, 2)
    partly_code, partly_used = sold(shop, seller)
    use(later(shop, timedelta(days=8)), partly_code, 1)
    cancelled_code, cancelled = sold(shop, seller, cancellation="until_first_use")
    later(shop, timedelta(days=3)).operate(
        lambda d, r: Canceller(d, r).cancel(CancelRequest(caller_of(seller), "r", cancelled_code, "why"))
    )
    sold(shop, seller)  # It has no last day, so it can be used at any time.
    order: list[set[str]] = []
    for day in (29, 32.9, 33.1, 34.9, 35.1, 37.9, 38.1, 40, 41.1, 4_000):
        whole_pass(shop, day)
        order.append(erased(shop))

    assert order == [
        set[str](),
        set[str](),
        {cancelled},
        {cancelled},
        {cancelled, used},
        {cancelled, used},
        {cancelled, used, partly_used},
        {cancelled, used, partly_used},
        *[{cancelled, used, partly_used, until_a_day}] * 2,
    ]
    events = shop.sql("SELECT actor, data FROM audit_events WHERE event = 'ticket.customer_erased'")
    assert [(row["actor"], row["data"]) for row in events] == [("service", {"cause": "retention"})] * 4


@pytest.mark.nightly
def test_an_order_waits_for_the_last_of_its_tickets(shop: Shop, seller: Seller) -> None:
    _, one = sold(shop, seller, usable_days=1)
    code, two = sold(shop, seller, usable_days=20)
    # One order of both.
    shop.sql("UPDATE ota_orders SET ticket_codes = ticket_codes || %s::text WHERE order_id = %s", code, one)

    assert whole_pass(shop, 40) == 0
    assert whole_pass(shop, 52) == 2
    assert erased(shop) == {one, two}


@pytest.mark.nightly
def test_a_pass_reads_portions_and_rests_until_the_next(
    shop: Shop, seller: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ORDERS_READ_MAX", 2)
    for _ in range(5):
        sold(shop, seller, usable_days=1)
    at = later(shop, timedelta(days=40))

    def portion() -> Portion:
        return at.operate(lambda d, r: Retention(d, r, DAYS).erase_some())

    portions = [portion() for _ in range(4)]

    assert portions == [Portion(2, False), Portion(2, False), Portion(1, True), Portion(0, True)]
    [row] = shop.sql("SELECT * FROM customer_retention")
    assert row["last_order_id"] == ""
    assert row["pass_ended_at"] is not None


def test_it_is_off_by_default() -> None:
    [task] = retention_task()

    assert not task.runs_here(Settings())
    assert task.runs_here(Settings(customer_retention_days=30))


def retention_task() -> Any:
    from premade.customers.feature import FEATURE

    return FEATURE.background
