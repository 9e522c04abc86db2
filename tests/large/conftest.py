"""A database of its own, on which no service runs: whose clock the tests set, and whose connections they count."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.shop import Shop, unique

from premade.base.world import World
from premade.database import bring_up_to_date


@dataclass
class Clock:
    """Stands still where it is set."""

    now: datetime = datetime(2026, 3, 31, 12, tzinfo=UTC)

    def set(self, moment: str) -> None:
        self.now = datetime.fromisoformat(moment)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quiet_shop(dsn: str) -> Iterator[Shop]:
    name = unique("quiet").replace("-", "_")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        own = make_conninfo(dsn, dbname=name)
        bring_up_to_date(own, World(ZoneInfo("UTC")))
        yield Shop(own, "http://nowhere.invalid")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def shop_of_clock(quiet_shop: Shop, clock: Clock) -> Shop:
    return replace(quiet_shop, world=World(ZoneInfo("UTC"), now=lambda: clock.now))
