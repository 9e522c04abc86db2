"""What the search indexes of orders cost an activation, by the number of orders: `make search-indexes`.

A real machine has a cache for a small part of its indexes. Here orders and cache are smaller in the same proportion: 10
million orders with a hundredth of the memory stand for a billion. Pages and bytes are counted, not seconds, so other work on
the machine does not matter.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

from premade.postgres.embedded import embedded_postgres
from premade.postgres.migrations import migrate

SEARCH = ("ota_orders_by_email", "ota_orders_by_payment", "ota_orders_by_phone")
CACHE_OF_A_BILLION_GIB = 64
MEASURED = 20_000
_LOAD = """
INSERT INTO ota_orders (
    order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference, total_amount, currency,
    operation, idempotency_key, request_digest, created_at, ticket_codes
)
SELECT 'ORD-' || lpad(n::text, 13, '0'), 1 + n % 40, 'John Smith', md5('mail' || n) || '@example.com',
       '+852' || lpad(((n * 7919::bigint) % 100000000)::text, 8, '0'), 'PAY-' || left(md5('pay' || n), 12), 95, 'HKD', 'activate',
       md5('key' || n), '', now(), ARRAY['CRUISE-2026-FERRY-' || lpad(n::text, 13, '0')]
FROM generate_series({first}, {last}) AS n
"""


@dataclass(frozen=True)
class Cost:
    """Cost of one order, on average."""

    pages_read: float
    """Pages that were not in the cache."""
    wal_bytes: float


@dataclass(frozen=True)
class Measurement:
    """Result for one number of orders and one size of the cache."""

    orders: str
    cache_mb: int
    search_indexes_mb: int
    with_indexes: Cost
    without_indexes: Cost


def measure(name: str, orders: int, cache_mb: int) -> Measurement:
    """Load the orders, then measure further orders with and without the search indexes."""
    settings = {
        "shared_buffers": f"{cache_mb}MB",
        "fsync": "off",
        "max_wal_size": "20GB",
        "checkpoint_timeout": "1h",
        "autovacuum": "off",
    }
    with (
        tempfile.TemporaryDirectory(prefix="premade-indexes-") as folder,
        embedded_postgres(Path(folder) / "postgres", settings=settings) as dsn,
    ):
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET maintenance_work_mem = '1GB'")
            definitions = _drop_indexes(connection)
            connection.execute(_LOAD.format(first=1, last=orders).encode())
            for definition in definitions.values():
                connection.execute(definition.encode())
            next_order = orders + 1
            # After these orders, the cache is full and the pages are split as they are in the long run.
            for _ in range(2):
                _insert(connection, next_order, MEASURED)
                next_order += MEASURED
            with_indexes = _measured(connection, next_order)
            size = _size(connection)
            for index in SEARCH:
                connection.execute(f"DROP INDEX {index}".encode())
            next_order += MEASURED
            _insert(connection, next_order, MEASURED)
            without_indexes = _measured(connection, next_order + MEASURED)
    return Measurement(name, cache_mb, size, with_indexes, without_indexes)


def _drop_indexes(connection: psycopg.Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'ota_orders'"
        " AND (indexname = ANY(%s) OR indexname LIKE '%%key_taken')",
        [list(SEARCH)],
    ).fetchall()
    for index, _ in rows:
        connection.execute(f"DROP INDEX {index}".encode())
    return dict(rows)


def _insert(connection: psycopg.Connection, first: int, number: int) -> None:
    connection.execute(_LOAD.format(first=first, last=first + number - 1).encode())


def _measured(connection: psycopg.Connection, first: int) -> Cost:
    """Measure orders after a checkpoint: the first change of each page then writes the whole page to the WAL."""
    connection.execute("CHECKPOINT")
    before = _counters(connection)
    _insert(connection, first, MEASURED)
    after = _counters(connection)
    pages, wal = (late - early for early, late in zip(before, after, strict=True))
    return Cost(pages / MEASURED, wal / MEASURED)


def _counters(connection: psycopg.Connection) -> tuple[int, int]:
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT pg_stat_clear_snapshot()")
    row = connection.execute(
        "SELECT heap_blks_read + idx_blks_read, (pg_current_wal_insert_lsn() - '0/0')::bigint"
        " FROM pg_statio_user_tables WHERE relname = 'ota_orders'"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _size(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT sum(pg_relation_size(name::regclass)) / 1000000 FROM unnest(%s::text[]) AS name",
        [list(SEARCH)],
    ).fetchone()
    assert row is not None
    return round(row[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=10_000_000)
    orders = parser.parse_args().orders
    share_mb = CACHE_OF_A_BILLION_GIB * 1024 * orders // 1_000_000_000
    for name, number, cache_mb in (
        ("10 thousand", 10_000, 1024),
        (f"{orders:,}", orders, 5 * 1024),
        ("1 billion, simulated", orders, share_mb),
    ):
        print(measure(name, number, cache_mb), flush=True)


if __name__ == "__main__":
    main()
