"""A database of its own, on which no service runs: whose clock the tests set, and whose connections they count."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from support.postgres import own_database
from support.shop import Shop

from premade.runtime.clock import Runtime


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
    with own_database(dsn) as own:
        yield Shop(own, "http://nowhere.invalid")


@pytest.fixture
def shop_of_clock(quiet_shop: Shop, clock: Clock) -> Shop:
    return replace(quiet_shop, runtime=Runtime(ZoneInfo("UTC"), now=lambda: clock.now))
