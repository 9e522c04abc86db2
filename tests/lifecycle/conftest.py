"""A database on which no service runs: whose days the tests choose."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from support.postgres import own_database
from support.shop import Shop

from premade.runtime.clock import Runtime

ShopAt = Callable[[str, str], Shop]


@pytest.fixture
def quiet_shop(dsn: str) -> Iterator[Shop]:
    """Nothing expires by itself here, so that a test's clock may show any day."""
    with own_database(dsn) as own:
        yield Shop(own, "http://nowhere.invalid")


@pytest.fixture
def shop_at(quiet_shop: Shop) -> ShopAt:
    """The shop at a moment (RFC 3339) of an operator's time zone."""

    def at(moment: str, zone: str) -> Shop:
        now = datetime.fromisoformat(moment)
        return replace(quiet_shop, runtime=Runtime(ZoneInfo(zone), now=lambda: now))

    return at
