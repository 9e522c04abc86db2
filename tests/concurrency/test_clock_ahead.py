"""The clock of codes ahead of the wall clock: how far it may be, and what its lead tells."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support.postgres import own_database
from support.shop import Shop

from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy
from premade.tickets.signing import Signers

CLOCK = "ticket_code_ms"
LEAD_MAX_MS = 3_600_000
HALF_A_MINUTE = 12_000 * 30
"""Codes, as fast as they are made at best."""
DAY_MS = 24 * 3600 * 1000
SERVER_NOW = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@pytest.fixture(name="own")
def _own(dsn: str) -> Iterator[str]:
    with own_database(dsn) as own:
        yield own


@pytest.fixture(name="connection")
def _connection(own: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own, autocommit=True) as connection:
        yield connection


def take(connection: psycopg.Connection, n: int, partner_id: int | None = None) -> tuple[int, int]:
    """The first tick, and the wall clock when it was given out."""
    row = connection.execute(
        f"SELECT take_logical_ms('{CLOCK}', %s, %s), {SERVER_NOW}".encode(), [n, partner_id]
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def set_ahead(connection: psycopg.Connection, ms: int) -> None:
    connection.execute(f"SELECT setval('{CLOCK}', {SERVER_NOW} + %s)".encode(), [ms])


def lead(connection: psycopg.Connection) -> int:
    row = connection.execute(f"SELECT pg_sequence_last_value('{CLOCK}') - {SERVER_NOW}".encode()).fetchone()
    assert row is not None
    return row[0]


def test_no_tick_is_more_than_an_hour_ahead_and_makers_wait_for_it(own: str) -> None:
    def make(_: int) -> list[tuple[int, int]]:
        with psycopg.connect(own, autocommit=True) as connection:
            return [take(connection, 50) for _ in range(3)]

    with psycopg.connect(own, autocommit=True) as connection:
        set_ahead(connection, LEAD_MAX_MS)
        started = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            taken = [each for made in pool.map(make, range(4)) for each in made]
        seconds = time.monotonic() - started

    assert all(first + 49 <= now + LEAD_MAX_MS + 1 for first, now in taken)
    assert seconds >= 12 * 50 / 1000 - 0.01
    ordered = sorted(first for first, _ in taken)
    assert all(later - earlier >= 50 for earlier, later in itertools.pairwise(ordered))


def test_who_would_wait_for_more_than_a_second_is_told_to_come_again(own: str) -> None:
    shop = Shop(own, "http://nowhere")
    seller = shop.seller()
    caller = Caller(seller.key_id, seller.partner_id, seller.channel)
    with psycopg.connect(own, autocommit=True) as connection:

        async def generate(database: Database, runtime: Runtime) -> None:
            generator = Generator(database, runtime, Signers(database, runtime))
            # Only now: the wall clock comes closer while the connections open.
            set_ahead(connection, LEAD_MAX_MS + 990)
            await generator.generate(caller, "r", BatchRequest(seller.product_id, 1000, "BATCH"))

        with pytest.raises(Busy, match=r"1,000 codes a second.*Nothing was changed"):
            shop.operate(generate)

        assert shop.sql("SELECT count(*) FROM batches") == [{"count": 0}]
        assert lead(connection) <= LEAD_MAX_MS + 990


def test_the_lock_is_free_while_a_maker_waits(own: str, connection: psycopg.Connection) -> None:
    set_ahead(connection, LEAD_MAX_MS)
    with psycopg.connect(own, autocommit=True) as maker, ThreadPoolExecutor(1) as pool:
        waits = pool.submit(take, maker, 900)
        while not sleeping(connection):
            assert not waits.done()
        row = connection.execute(
            "SELECT pg_try_advisory_lock(1886547309, 'ticket_code_ms'::regclass::oid::integer)"
        ).fetchone()
        assert row == (True,)
        assert not waits.done()
        connection.execute("SELECT pg_advisory_unlock_all()")
        waits.result(30)


def sleeping(connection: psycopg.Connection) -> bool:
    return (
        connection.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone() is not None
    )


def test_a_wall_clock_that_jumped_a_day_and_back_stops_no_sale(connection: psycopg.Connection) -> None:
    set_ahead(connection, DAY_MS)

    started = time.monotonic()
    firsts = [take(connection, 100)[0] for _ in range(4)]
    seconds = time.monotonic() - started

    assert all(later - earlier >= 100 for earlier, later in itertools.pairwise(firsts))
    assert seconds >= 3 * 100 / 1000 - 0.01
    assert DAY_MS - 1000 < lead(connection) <= DAY_MS + 400
    # A day later the usual bound holds again.
    set_ahead(connection, 0)
    take(connection, 1)
    set_ahead(connection, LEAD_MAX_MS)
    started = time.monotonic()
    take(connection, 200)
    assert time.monotonic() - started >= 0.19


def test_the_fastest_maker_does_not_meet_the_bound_in_half_a_minute(connection: psycopg.Connection) -> None:
    row = connection.execute(
        f"SELECT max(take_logical_ms('{CLOCK}', 500, 7) + 499 - {SERVER_NOW}) FROM generate_series(1, %s)".encode(),
        [HALF_A_MINUTE // 500],
    ).fetchone()

    assert row is not None
    assert row[0] < LEAD_MAX_MS / 2
    # Whatever the gaps of another partner or hour are.
    assert HALF_A_MINUTE * 4 < LEAD_MAX_MS / 2


def lead_after(connection: psycopg.Connection, quantity: int, partner_id: int) -> int:
    """How far the clock is ahead for the next partner, after another made so many tickets."""
    set_ahead(connection, 0)
    connection.execute(
        f"SELECT take_logical_ms('{CLOCK}', 100, %s) FROM generate_series(1, %s)".encode(),
        [partner_id, quantity // 100],
    )
    return lead(connection)


@pytest.mark.nightly
def test_the_lead_does_not_tell_how_many_tickets_another_partner_made(connection: psycopg.Connection) -> None:
    """The same number gives leads that differ up to four times, by a factor that is the maker's secret."""
    few = [lead_after(connection, 20_000, partner_id) for partner_id in range(40)]
    many = [lead_after(connection, 40_000, partner_id) for partner_id in range(40)]

    assert max(few) > 2.5 * min(few)
    # Twice as many look like half as many: somebody who sees one lead cannot tell them apart.
    assert sum(low < each < high for each in few for low, high in [(min(many), max(many))]) >= 10
    assert sum(low < each < high for each in many for low, high in [(min(few), max(few))]) >= 10
    # But never so far that a partner could use up the clock for others.
    assert max(few) <= 4 * 20_000


def test_the_secret_of_the_gaps_is_another_in_each_database(dsn: str, connection: psycopg.Connection) -> None:
    gaps = "SELECT array_agg(logical_gap(1000, partner)) FROM generate_series(1, 20) AS partner"
    with own_database(dsn) as other, psycopg.connect(other) as second:
        rows = [each.execute(gaps).fetchone() for each in (connection, second)]

    assert rows[0] != rows[1]
