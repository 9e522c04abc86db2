"""Statistics: the service analyses a table when it has doubled, and neither waits for others nor makes them wait."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.growth import analyse
from support.postgres import own_database
from support.processes import wait_until
from support.service import environment_for, running_service
from support.shop import Shop, unique

from premade.postgres.database import open_database
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.postgres.table_statistics import ANALYSIS_LOCK, PAGES_MIN, TableAnalyst
from premade.runtime.errors import Busy

ROWS_A_PAGE = 40
"""At least: rows of gate_counts with a long code."""
TABLE = "gate_counts"
WITHOUT_AUTOVACUUM = f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)"
MORE = f"""
INSERT INTO {TABLE} (day, owner, device_id, code, counted, last_at)
SELECT '2026-01-01', 'key:1', gen_random_uuid(), repeat('c', 100), 1, now() FROM generate_series(1, %s)
"""


@pytest.fixture
def own(dsn: str) -> Iterator[Shop]:
    """A database of its own, in which only the service analyses the table."""
    with own_database(dsn) as database:
        shop = Shop(database, "http://nowhere")
        shop.sql(WITHOUT_AUTOVACUUM)
        yield shop


def known_rows(shop: Shop) -> float:
    """Rows of the table as the planner knows them: -1 before the first analysis."""
    [row] = shop.sql(f"SELECT reltuples FROM pg_class WHERE relname = '{TABLE}'")
    return row["reltuples"]


def test_a_table_is_analysed_when_it_has_doubled(own: Shop) -> None:
    own.sql(MORE, PAGES_MIN)
    assert analyse(own.dsn) == []
    assert known_rows(own) == -1

    rows = ROWS_A_PAGE * PAGES_MIN
    own.sql(MORE, rows)
    assert analyse(own.dsn) == [TABLE]
    assert known_rows(own) == rows + PAGES_MIN
    assert analyse(own.dsn) == []

    own.sql(MORE, rows // 2)
    assert analyse(own.dsn) == []

    own.sql(MORE, rows)
    assert analyse(own.dsn) == [TABLE]


def test_one_process_analyses_at_a_time(own: Shop) -> None:
    own.sql(MORE, ROWS_A_PAGE * PAGES_MIN)

    with psycopg.connect(own.dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [ANALYSIS_LOCK])
        assert analyse(own.dsn) == []

    assert analyse(own.dsn) == [TABLE]


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        # Autovacuum, while it cleans or analyses.
        ("SHARE UPDATE EXCLUSIVE", nullcontext()),
        # A migration, while it changes the table. The loop tries again a second later.
        ("ACCESS EXCLUSIVE", pytest.raises(Busy)),
    ],
)
def test_a_table_that_somebody_else_has_locked_is_not_waited_for(
    own: Shop, mode: str, outcome: AbstractContextManager[Any]
) -> None:
    own.sql(MORE, ROWS_A_PAGE * PAGES_MIN)

    with psycopg.connect(own.dsn) as other:
        other.execute(f"LOCK TABLE {TABLE} IN {mode} MODE".encode())
        began = time.monotonic()
        with outcome:
            analyse(own.dsn)
        waited = time.monotonic() - began
        assert known_rows(own) == -1

    assert waited < LOCK_TIMEOUT_MS / 1000


def test_a_role_that_may_not_analyse_says_so_once(
    own: Shop, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own.sql(MORE, ROWS_A_PAGE * PAGES_MIN)
    role = unique("guest").replace("-", "_")
    own.sql(f"CREATE ROLE {role} LOGIN")
    own.sql(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")

    async def twice() -> None:
        async with open_database(make_conninfo(own.dsn, user=role), connections_max=1) as database:
            analyst = TableAnalyst(database)
            assert await analyst.analyse_next() is None
            assert await analyst.analyse_next() is None

    try:
        asyncio.run(twice())
    finally:
        own.sql(f"DROP OWNED BY {role}")
        own.sql(f"DROP ROLE {role}")

    assert known_rows(own) == -1
    # Where the log goes depends on what ran before in this process.
    assert "".join(capsys.readouterr()).count("statistics.not_allowed") == 1


@pytest.mark.nightly
def test_the_service_analyses_by_itself(own: Shop, tmp_path: Path) -> None:
    with running_service(environment_for(own.dsn), tmp_path / "log", workers=1):
        own.sql(MORE, ROWS_A_PAGE * PAGES_MIN)
        wait_until(lambda: known_rows(own) > 0, "nobody analyses")
