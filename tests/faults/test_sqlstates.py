"""Errors of PostgreSQL that a retry cures are 503, and spoilt connections are not kept."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.shop import Shop
from support.statements import undeclared

from premade.http.connection_limits import Clients
from premade.monitoring.readiness import Readiness
from premade.postgres.database import open_database
from premade.postgres.statements import Statement
from premade.runtime.errors import Busy, DatabaseAway

PID = undeclared("pid", b"SELECT pg_backend_pid() AS pid")


def raising(state: str) -> Statement[[], dict[str, Any]]:
    text = f"DO $$ BEGIN RAISE EXCEPTION 'as it would be' USING ERRCODE = '{state}'; END $$"
    return undeclared("raising", text.encode())


async def raised_by(dsn: str, state: str) -> tuple[Exception, bool]:
    """What comes of the error, and whether its connection was kept."""
    async with open_database(dsn, connections_max=1) as database:
        async with database.single_statement() as tx:
            before = await tx.fetch_one(PID)
        caught: Exception | None = None
        try:
            async with database.transaction() as tx:
                await tx.fetch_all(raising(state))
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            caught = error
        async with database.single_statement() as tx:
            after = await tx.fetch_one(PID)
    assert caught is not None
    return caught, before == after


@pytest.mark.parametrize(
    ("state", "kind", "is_kept"),
    [
        ("25006", DatabaseAway, False), ("25P02", DatabaseAway, False), ("25P03", DatabaseAway, False),
        ("25P04", DatabaseAway, False), ("53100", DatabaseAway, True), ("53200", DatabaseAway, True),
        ("53300", DatabaseAway, True), ("57P01", DatabaseAway, False), ("57P03", DatabaseAway, False),
        ("58030", DatabaseAway, True), ("08006", DatabaseAway, False), ("XX000", DatabaseAway, False),
        ("0A000", DatabaseAway, False), ("26000", DatabaseAway, False), ("40001", Busy, True),
        ("40P01", Busy, True), ("55P03", Busy, True), ("57014", Busy, True),
        ("XX001", psycopg.Error, True), ("42P01", psycopg.Error, True),
    ],
)  # fmt: skip
def test_what_a_retry_cures_is_503(dsn: str, state: str, kind: type[Exception], *, is_kept: bool) -> None:
    error, was_kept = asyncio.run(raised_by(dsn, state))
    assert isinstance(error, kind), repr(error)
    assert was_kept is is_kept


def test_a_worker_that_stood_still_within_a_transaction_is_told_503(dsn: str) -> None:
    async def stand_still() -> None:
        async with open_database(dsn, connections_max=1) as database, database.transaction() as tx:
            await tx.fetch_all(undeclared("soon", b"SET idle_in_transaction_session_timeout = 50"))
            await tx.fetch_all(PID)
            await asyncio.sleep(0.3)
            await tx.fetch_all(PID)

    with pytest.raises(DatabaseAway):
        asyncio.run(stand_still())


@pytest.mark.parametrize("is_read_only", [True, False])
def test_ready_is_who_can_write(shop: Shop, *, is_read_only: bool) -> None:
    dsn = make_conninfo(
        shop.dsn, options=f"-c default_transaction_read_only={'on' if is_read_only else 'off'}"
    )

    async def look() -> object:
        async with open_database(dsn, connections_max=2, waits=False) as database:
            return await Readiness(database, shop.runtime, Clients()).refusal()

    refusal = asyncio.run(look())
    assert isinstance(refusal, DatabaseAway) is is_read_only
    if is_read_only:
        assert "accepts no writes" in str(refusal)


def test_clocks_that_are_apart_are_not_ready(shop: Shop) -> None:
    runtime = replace(shop.runtime, now=lambda: datetime.now(UTC) + timedelta(seconds=40))

    async def look() -> object:
        async with open_database(shop.dsn, connections_max=2, waits=False) as database:
            return await Readiness(database, runtime, Clients()).refusal()

    assert "clocks" in str(asyncio.run(look()))
