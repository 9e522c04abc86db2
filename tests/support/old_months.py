"""A shop that has sold for months, and the archive of its events."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from premade.runtime.month import Month
from support.past import activate, generate
from support.postgres import own_database
from support.shop import Seller, Shop
from support.terminal import Operator

NOW = datetime.now(UTC)


def months_ago(number: int) -> Month:
    month = Month.of(NOW)
    for _ in range(number):
        month = Month.of(month.starts_at - timedelta(days=1))
    return month


OLDEST, OLD, KEPT = months_ago(5), months_ago(4), months_ago(3)


def add_partition(shop: Shop, name: str, start: str, end: Month) -> None:
    """Add a partition of the past, as the service created it at that time."""
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE {name} PARTITION OF audit_events FOR VALUES FROM ({start}) TO ('{end.starts_at}')".encode()
        )


def add_month(shop: Shop, month: Month) -> None:
    name = f"audit_events_{month.year:04}_{month.number:02}"
    add_partition(shop, name, f"'{month.starts_at}'", month.next)


def at(shop: Shop, month: Month) -> Shop:
    """Return the shop with a clock in the middle of this month."""
    moment = month.starts_at + timedelta(days=9)
    return replace(shop, runtime=replace(shop.runtime, now=lambda: moment))


@contextmanager
def old_shop(dsn: str) -> Generator[tuple[Shop, Seller, dict[Month, list[str]]]]:
    """Yield a shop with batches of three months, its seller, and the ticket codes of each month. The first ticket of each is sold."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        add_partition(shop, "audit_events_before_months", "MINVALUE", months_ago(6))
        for number in range(6, 0, -1):
            add_month(shop, months_ago(number))
        seller = shop.seller()
        codes: dict[Month, list[str]] = {}
        for month in (OLDEST, OLD, KEPT):
            codes[month] = [each.ticket_code for each in generate(at(shop, month), seller, 4).tickets]
            activate(at(shop, month), seller, codes[month][0])
        yield shop, seller, codes


def events(shop: Shop) -> list[dict[str, Any]]:
    """Return all events except those about the archive itself."""
    return shop.sql("SELECT * FROM audit_events WHERE event NOT LIKE 'database.events_%%' ORDER BY event_id")


def archive(shop: Shop, folder: Path, before: Month = KEPT) -> list[dict[str, Any]]:
    return Operator(shop.dsn).does("archive", "--before", str(before), "--into", str(folder), "--yes")
