"""A database on which no service runs: whose days the tests choose."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.shop import Shop, unique

from premade.base.world import World
from premade.database import bring_up_to_date

ShopAt = Callable[[str, str], Shop]


@pytest.fixture
def quiet_shop(dsn: str) -> Iterator[Shop]:
    """Nothing expires by itself here, so that a test's clock may show any day."""
    name = unique("quiet").replace("-", "_")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        own = make_conninfo(dsn, dbname=name)
        bring_up_to_date(own, World(ZoneInfo("UTC")))
        yield Shop(own, "http://nowhere.invalid")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def shop_at(quiet_shop: Shop) -> ShopAt:
    """The shop at a moment (RFC 3339) of an operator's time zone."""

    def at(moment: str, zone: str) -> Shop:
        now = datetime.fromisoformat(moment)
        return replace(quiet_shop, world=World(ZoneInfo(zone), now=lambda: now))

    return at
