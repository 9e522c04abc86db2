"""The clock that codes and order ids come from: no tick twice, and nobody who leaves keeps it locked."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest


def test_the_logical_clock_gives_each_caller_ticks_of_its_own(dsn: str) -> None:
    taken: list[range] = []
    start = threading.Barrier(8)

    def take(caller: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            start.wait()
            last = 0
            for turn in range(100):
                n = (caller * 7 + turn) % 50 + 1
                row = connection.execute("SELECT take_logical_ms('ticket_code_ms', %s)", [n]).fetchone()
                assert row is not None
                assert row[0] > last
                last = row[0]
                taken.append(range(row[0], row[0] + n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(8)))

    ordered = sorted(taken, key=lambda span: span.start)
    assert len(ordered) == 800
    assert all(one.stop <= other.start for one, other in itertools.pairwise(ordered))


@pytest.mark.parametrize("by", ["its own timeout", "somebody else"])
def test_a_cancelled_caller_leaves_the_logical_clock_free(dsn: str, by: str) -> None:
    take = "SELECT take_logical_ms('ticket_code_ms', 1)"
    lock = "(1886547309, 'ticket_code_ms'::regclass::oid::integer)"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(dsn, autocommit=True) as holder,
        psycopg.connect(dsn, autocommit=True) as waiter,
    ):
        pid = waiter.info.backend_pid
        holder.execute(f"SELECT pg_advisory_lock{lock}".encode())
        waiter.execute("SET statement_timeout = '50ms'" if by == "its own timeout" else "SELECT")
        waits = pool.submit(waiter.execute, take)
        if by == "somebody else":
            deadline = time.monotonic() + 10
            while not advisory_locks(holder, pid):
                assert time.monotonic() < deadline, "it does not wait"
            holder.execute("SELECT pg_cancel_backend(%s)", [pid])
        with pytest.raises(psycopg.errors.QueryCanceled):
            waits.result(30)
        holder.execute(f"SELECT pg_advisory_unlock{lock}".encode())
        assert advisory_locks(holder, pid) == []
        assert holder.execute(take.encode()).fetchone()
        assert waiter.execute("RESET statement_timeout")
        assert waiter.execute(take.encode()).fetchone()
        assert advisory_locks(holder, pid) == []


def test_a_caller_cancelled_in_the_moment_of_its_turn_leaves_the_logical_clock_free(dsn: str) -> None:
    take = "SELECT take_logical_ms('ticket_code_ms', 1)"
    key = "(1886547309, 'ticket_code_ms'::regclass::oid::integer)"
    ends: Counter[str] = Counter()
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(dsn, autocommit=True) as holder,
        psycopg.connect(dsn, autocommit=True) as waiter,
    ):
        pid = waiter.info.backend_pid
        at_once = [f"pg_advisory_unlock{key}", "pg_cancel_backend(%s)"]
        for _ in range(200):
            at_once.reverse()
            holder.execute(f"SELECT pg_advisory_lock{key}".encode())
            waits = pool.submit(waiter.execute, take)
            while not advisory_locks(holder, pid):
                assert not waits.done()
            holder.execute(f"SELECT {', '.join(at_once)}".encode(), [pid])
            try:
                waits.result(30)
                ends["done"] += 1
            except psycopg.errors.QueryCanceled:
                ends["cancelled"] += 1
            assert advisory_locks(holder, pid) == [], ends
    assert ends["cancelled"] > 0


def advisory_locks(connection: psycopg.Connection, pid: int) -> list[tuple[bool]]:
    """Those that a session holds or waits for."""
    query = "SELECT granted FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
    return connection.execute(query, [pid]).fetchall()
