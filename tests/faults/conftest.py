from collections.abc import Iterator

import pytest
from support.postgres import own_database


@pytest.fixture
def own_dsn(dsn: str) -> Iterator[str]:
    """A database of its own, whose service and connections can be broken without harm to other tests."""
    with own_database(dsn) as own:
        yield own
