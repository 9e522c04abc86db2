"""What an activation costs PostgreSQL, by the number of tickets: `make activation-cost`. It prints a table of docs/scaling.md.

A real machine has a cache for a small part of its tables. Here tables and cache are smaller in the same proportion: 10
million tickets with a hundredth of the memory stand for a billion. Pages and bytes are counted, so other work on the machine
does not change them. It does change the times.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
from prometheus_client import REGISTRY
from psycopg.rows import dict_row
from support.old_months import add_month, months_ago
from support.shop import Seller, Shop
from support.taking_back import caller_of

from bench.place import Sales, add_tickets, fill, make_database
from bench.services import cpu_seconds, server_of
from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.postgres.database import open_database
from premade.postgres.embedded import embedded_postgres
from premade.runtime.clock import Runtime
from premade.runtime.logging import log_warnings_only
from premade.runtime.month import Month
from premade.tickets.code import ticket_code

SEARCH = ("ota_orders_by_email", "ota_orders_by_payment", "ota_orders_by_phone")
CACHE_OF_A_BILLION_GIB = 64
MONTHS = 12
"""Months of the events. The last one is the current month, so it has a twelfth of them."""
ALONE, TOGETHER = 1, 64
"""Numbers of clients that activate at the same time. The requests of `TOGETHER` share statements."""
MEASURED = {ALONE: 2_000, TOGETHER: 10_000}
WARM_UP_A_MEGABYTE = 20
"""Activations before the measurement, for each MB of cache: after these, the cache is full."""
_STATEMENT = {"statement": "activation.activate"}
_SECONDS = "premade_database_statement_duration_seconds"
_COUNTERS = """
SELECT coalesce(sum(heap + indexes) FILTER (WHERE relname = 'pre_generated_tickets'), 0)::bigint AS tickets,
       coalesce(sum(indexes) FILTER (WHERE relname = 'ota_orders'), 0)::bigint AS indexes_of_orders,
       coalesce(sum(heap + indexes), 0)::bigint AS all_tables,
       (SELECT wal_fpi FROM pg_stat_wal) AS whole_pages,
       (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes
FROM (
    SELECT relname, heap_blks_read + coalesce(toast_blks_read, 0) AS heap, coalesce(idx_blks_read, 0) AS indexes
    FROM pg_statio_user_tables
) AS read
"""


@dataclass(frozen=True)
class Cost:
    """Cost of one activation, on average.

    The pages are those that were not in the cache.
    """

    pages: float
    pages_of_tickets: float
    pages_of_order_indexes: float
    whole_pages: float
    """Pages that were written to the WAL as a whole: after a checkpoint, each page that changes for the first time."""
    wal_bytes: float
    cpu_us: float
    """Processor time of the server."""
    statement_us: float
    """Time of the statement as the service sees it, divided by the activations that share it."""
    a_statement: float
    """Activations in one statement."""


@dataclass(frozen=True)
class Scale:
    """A number of tickets, every second one sold, and the memory of the cache."""

    name: str
    tickets: int
    cache_mb: int


class Tickets:
    """Unused tickets, each of which is given out once."""

    def __init__(self, dsn: str, seller: Seller, filled: int) -> None:
        """`filled`: the number of tickets in the database. Those with odd numbers are unused."""
        self._dsn, self._seller, self._filled = dsn, seller, filled
        self._random = random.Random(filled)
        odd = list(range(1, filled, 2))
        self._random.shuffle(odd)
        self._anywhere, self._next = iter(odd), filled

    def anywhere(self, count: int) -> list[str]:
        """Return codes of tickets from everywhere in the table."""
        return [_code(number) for number in islice(self._anywhere, count)]

    def newest(self, count: int) -> list[str]:
        """Generate tickets, and return their codes in random order."""
        numbers = list(range(self._next, self._next + count))
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            add_tickets(connection, self._seller, self._next, count)
        self._next += count
        self._random.shuffle(numbers)
        return [_code(number) for number in numbers]

    def requests(self, codes: Sequence[str]) -> Iterator[Activation]:
        """Yield requests to activate them. Customers, payments and keys are all over the indexes."""
        for code in codes:
            number = self._random.randrange(self._filled)
            yield Activation(
                caller_of(self._seller), "cost", code, "John Smith", f"john.smith.{number}@example.com",
                f"+{1234567890 + self._random.randrange(10**8)}", f"PAY-OTA-{number}",
                f"{self._random.randrange(10**8)}-{code}",
            )  # fmt: skip


def _code(number: int) -> str:
    return ticket_code("CRUISE", 2025, "FERRY", number)


async def _activate(dsn: str, requests: Iterator[Activation], clients: int) -> float:
    """Activate through the product's own action, as so many clients at the same time. Return the server's processor time."""
    server = server_of(dsn)
    async with open_database(dsn, connections_max=8) as database:
        activator = Activator(database, Runtime(ZoneInfo("UTC")))
        before = cpu_seconds(server)

        async def client() -> None:
            for request in requests:
                await activator.activate(request)

        await asyncio.gather(*(client() for _ in range(clients)))
        # While the connections are open: not every kernel counts the time of processes that have ended.
        return cpu_seconds(server) - before


def _counters(dsn: str) -> dict[str, int]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        [row] = connection.cursor(row_factory=dict_row).execute(_COUNTERS.encode()).fetchall()
    return row


def _of_statements(what: str) -> float:
    return REGISTRY.get_sample_value(f"{_SECONDS}_{what}", _STATEMENT) or 0.0


def measure(dsn: str, tickets: Tickets, codes: list[str], clients: int) -> Cost:
    """Activate the tickets right after a checkpoint."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    before, seconds, statements = _counters(dsn), _of_statements("sum"), _of_statements("count")
    # The connections are closed in the end, and each writes its counters then.
    cpu = asyncio.run(_activate(dsn, tickets.requests(codes), clients))
    seconds, statements = _of_statements("sum") - seconds, _of_statements("count") - statements
    after = _counters(dsn)
    each = {name: (after[name] - before[name]) / len(codes) for name in before}
    return Cost(
        pages=each["all_tables"],
        pages_of_tickets=each["tickets"],
        pages_of_order_indexes=each["indexes_of_orders"],
        whole_pages=each["whole_pages"],
        wal_bytes=each["wal_bytes"],
        cpu_us=cpu * 1e6 / len(codes),
        statement_us=seconds * 1e6 / len(codes),
        a_statement=len(codes) / statements,
    )


def _set(dsn: str, setting: str, value: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {setting} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute(f"SHOW {setting}".encode()).fetchone() != (value,):
            time.sleep(0.01)


@dataclass(frozen=True)
class Line:
    """A line of the result: the same activations right after a checkpoint, with compressed WAL, and long after it."""

    scale: Scale
    kind: str
    first: Cost
    compressed: Cost
    later: Cost

    def __str__(self) -> str:
        cost = self.first
        pages = (cost.pages, cost.pages_of_tickets, cost.pages_of_order_indexes, cost.whole_pages)
        columns = [
            self.scale.name,
            self.kind,
            f"{cost.a_statement:.0f}",
            *(f"{number:.1f}" for number in pages),
            *(f"{each.wal_bytes / 1000:.1f} kB" for each in (cost, self.compressed, self.later)),
            f"{cost.statement_us:,.0f} µs",
            f"{cost.cpu_us:,.0f} µs",
        ]
        return f"| {' | '.join(columns)} |"


HEAD = """
| tickets | activated | in a statement | pages read | of tickets | of order indexes | pages changed | WAL, first | compressed \
| later | time | processor |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def _line(dsn: str, scale: Scale, tickets: Tickets, kind: str, clients: int) -> Line:
    count = min(MEASURED[clients], scale.tickets // 40)

    def cost() -> Cost:
        codes = tickets.newest(count) if kind == "newest" else tickets.anywhere(count)
        return measure(dsn, tickets, codes, clients)

    first = cost()
    _set(dsn, "wal_compression", "pglz")
    compressed = cost()
    _set(dsn, "wal_compression", "off")
    # Long after a checkpoint, each page that changes has changed before. Then no page is written as a whole.
    _set(dsn, "full_page_writes", "off")
    later = cost()
    _set(dsn, "full_page_writes", "on")
    return Line(scale, kind, first, compressed, later)


def lines(dsn: str, tickets: Tickets, scale: Scale) -> Iterator[Line]:
    """Measure all kinds of activations, the last ones without the search indexes of orders."""
    warm_up = min(scale.cache_mb * WARM_UP_A_MEGABYTE, scale.tickets // 100)
    asyncio.run(_activate(dsn, tickets.requests(tickets.anywhere(warm_up)), TOGETHER))
    for clients in (ALONE, TOGETHER):
        for kind in ("newest", "any"):
            yield _line(dsn, scale, tickets, kind, clients)
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = ANY(%s)", [list(SEARCH)])
        definitions = [definition for (definition,) in rows.fetchall()]
        for index in SEARCH:
            connection.execute(f"DROP INDEX {index}".encode())
        without = _line(dsn, scale, tickets, "any", TOGETHER)
        yield replace(without, kind="any, no search indexes")
        for definition in definitions:
            connection.execute(definition.encode())


def _filled(server: str, tickets: int) -> tuple[str, Tickets]:
    """Create a database with so many tickets, and events of MONTHS months. Return its DSN and the unused tickets."""
    dsn = make_database(server, f"cost_{tickets}")
    shop = Shop(dsn, "http://nowhere")
    for number in range(1, MONTHS):
        add_month(shop, months_ago(number))
    year = Sales(tickets, months_ago(MONTHS - 1).starts_at, Month.of(datetime.now(UTC)).ends_at, 10**8)
    return dsn, Tickets(dsn, fill(dsn, tickets, year), tickets)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tickets", type=int, default=10_000_000)
    tickets = parser.parse_args().tickets
    log_warnings_only()
    share_mb = CACHE_OF_A_BILLION_GIB * 1024 * tickets // 1_000_000_000
    settings = {
        "fsync": "off",
        "max_wal_size": "20GB",
        "checkpoint_timeout": "1h",
        "autovacuum": "off",
        "maintenance_work_mem": "1GB",
    }
    cache_mb = 5 * 1024
    with tempfile.TemporaryDirectory(prefix="premade-cost-") as folder:
        postgres = Path(folder) / "postgres"
        print(HEAD, end="", flush=True)
        with embedded_postgres(postgres, settings={**settings, "shared_buffers": f"{cache_mb}MB"}) as server:
            dsn, unused = _filled(server, 10_000)
            _print(lines(dsn, unused, Scale("10 thousand", 10_000, cache_mb)))
            dsn, unused = _filled(server, tickets)
            _print(lines(dsn, unused, Scale(f"{tickets / 1_000_000:g} million", tickets, cache_mb)))
        # The server starts again at the same address.
        with embedded_postgres(postgres, settings={**settings, "shared_buffers": f"{share_mb}MB"}):
            _print(lines(dsn, unused, Scale("1 billion, simulated", tickets, share_mb)))


def _print(lines_of_scale: Iterator[Line]) -> None:
    for line in lines_of_scale:
        print(line, flush=True)


if __name__ == "__main__":
    main()
