"""A database on which no service runs: whose days the tests choose."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from support import past
from support.operating import kept_open
from support.postgres import own_database
from support.shop import Shop

ShopAt = Callable[[str, str], Shop]


@pytest.fixture(scope="module")
def quiet_shop(dsn: str) -> Iterator[Shop]:
    """Nothing expires by itself here, so that a test's clock may show any day."""
    with own_database(dsn) as own, kept_open(own):
        yield Shop(own, "http://nowhere.invalid")


@pytest.fixture
def empty_shop(dsn: str) -> Iterator[Shop]:
    """A quiet shop in which no other test has left tickets."""
    with own_database(dsn) as own, kept_open(own):
        yield Shop(own, "http://nowhere.invalid")


@pytest.fixture
def shop_at(quiet_shop: Shop) -> ShopAt:
    """The shop at a moment (RFC 3339) of an operator's time zone."""
    return partial(past.at_moment, quiet_shop)
