"""What one ticket costs: `make capacity`. It writes docs/scaling.md, up to the heading BY_HAND.

Processor time of the service and of PostgreSQL, write-ahead log and bytes on disk, for each ticket that is generated,
activated and redeemed. From these follow the machines for a number of tickets a year.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bench.load import Load
from bench.operations import (
    MANY,
    WARM_UP_SECONDS,
    activate,
    activate_from,
    generate,
    redeem,
    redeem_from,
    sold_tickets_for,
    tickets_for,
)
from bench.place import FOLDER, ROOT, WORKERS, Place, make_database, service_on
from bench.services import DATABASE_CORES, Measured, can_limit, cpu_seconds, server_of, with_services
from premade.postgres.embedded import embedded_postgres

PAGE = ROOT / "docs" / "scaling.md"
BY_HAND = "## Where the limit is"
"""From this heading on, the page is written by hand, and stays."""
SECONDS = 10
TICKETS_A_BATCH = 100
TICKETS_A_YEAR = 1_000_000_000
SOLD = 0.8
"""Part of the tickets that is activated, and later redeemed once."""
PEAK = 20
"""The busiest second of the year, as a multiple of the mean."""
CORES_BUSY_MAX = 0.5
"""Part of the processor time that is used in the busiest second. The rest is for reads, expiry, backups and failures."""
SECONDS_A_YEAR = 365 * 24 * 3600
CORE_HOUR_PRICE = 0.05
"""Assumed price of an hour of one core, with its memory."""
GIB_MONTH_PRICE = 0.10
"""Assumed price of a GiB on a fast disk for a month."""
COPIES = 3
"""Servers with all data: the primary and two synchronous standbys."""
_WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
_SIZE = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@dataclass(frozen=True)
class Cost:
    """Cost of one ticket in one operation."""

    service_us: float
    database_us: float
    wal_bytes: float
    disk_bytes: float


@dataclass(frozen=True)
class _State:
    service_seconds: float
    database_seconds: float
    wal_bytes: int
    disk_bytes: int


def _state(place: Place) -> _State:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        [[wal]] = connection.execute(_WAL).fetchall()
        [[size]] = connection.execute(_SIZE.encode()).fetchall()
    return _State(place.cpu_seconds(), cpu_seconds(server_of(place.dsn)), wal, size)


def cost_of(place: Place, operation: Callable[[], Load], tickets_a_response: int) -> tuple[Cost, float]:
    """Return the cost of one ticket, and the tickets per second. The cost includes a vacuum afterwards."""
    place.vacuum()
    place.checkpoint()
    before = _state(place)
    load = operation()
    place.vacuum()
    after = _state(place)
    tickets = sum(load.statuses.values()) * tickets_a_response
    cost = Cost(
        (after.service_seconds - before.service_seconds) * 1e6 / tickets,
        (after.database_seconds - before.database_seconds) * 1e6 / tickets,
        (after.wal_bytes - before.wal_bytes) / tickets,
        (after.disk_bytes - before.disk_bytes) / tickets,
    )
    return cost, load.per_second * tickets_a_response


@dataclass(frozen=True)
class Capacity:
    """The three operations, and what a year costs."""

    generated: Cost
    activated: Cost
    redeemed: Cost

    def of_a_year(self, part: Callable[[Cost], float]) -> float:
        """Return the sum over the tickets of a year."""
        a_ticket = part(self.generated) + SOLD * (part(self.activated) + part(self.redeemed))
        return a_ticket * TICKETS_A_YEAR

    def cores(self, part: Callable[[Cost], float]) -> float:
        """Return the cores that the busiest second needs."""
        return self.of_a_year(part) / 1e6 / SECONDS_A_YEAR * PEAK / CORES_BUSY_MAX


def _page(capacity: Capacity, rates: list[float], several: list[Measured]) -> str:
    rows = "\n".join(
        f"| {name} | {cost.service_us:,.0f} µs | {cost.database_us:,.0f} µs | {cost.wal_bytes:,.0f} | "
        f"{cost.disk_bytes:,.0f} | {rate:,.0f} |"
        for name, cost, rate in zip(
            (f"generated, in batches of {TICKETS_A_BATCH}", "activated", "redeemed"),
            (capacity.generated, capacity.activated, capacity.redeemed),
            rates,
            strict=True,
        )
    )
    service, database = (
        capacity.cores(lambda cost: cost.service_us),
        capacity.cores(lambda cost: cost.database_us),
    )
    wal = capacity.of_a_year(lambda cost: cost.wal_bytes)
    disk = capacity.of_a_year(lambda cost: cost.disk_bytes)
    mean = TICKETS_A_YEAR * (1 + 2 * SOLD) / SECONDS_A_YEAR
    core_price = CORE_HOUR_PRICE * 24 * 365
    price = (service + COPIES * database) * core_price + COPIES * disk / 2**30 * 12 * GIB_MONTH_PRICE
    return f"""# Scaling

`make capacity` writes this page, up to [Where the limit is](#where-the-limit-is). Load generator, service ({WORKERS} workers) and PostgreSQL share
the two cores of one machine. Each operation ran for {SECONDS} seconds, after a checkpoint. "Disk" is the growth of all tables
and indexes after `VACUUM`. The processor time and the WAL of this `VACUUM` are included.

## What one ticket costs

| each ticket | service | PostgreSQL | WAL, bytes | disk, bytes | tickets/s here |
|---|---|---|---|---|---|
{rows}

A first change of a page after a checkpoint writes the whole page to the write-ahead log (WAL). So the WAL of a ticket depends
on how many tickets are sold between two checkpoints.

## A billion tickets a year

{TICKETS_A_YEAR:,} tickets are generated, and {SOLD:.0%} of them are activated and redeemed once: {mean:,.0f} changes a second on
average, {mean * PEAK:,.0f} in the busiest second, if that is {PEAK} times the mean. {1 - CORES_BUSY_MAX:.0%} of the processor time stays free.

| | |
|---|---|
| rows a year | {TICKETS_A_YEAR:,} tickets, {TICKETS_A_YEAR * SOLD:,.0f} orders, about {TICKETS_A_YEAR * (2 * SOLD):,.0f} audit events of sales and redemptions |
| cores for the services | {service:,.1f} |
| cores of PostgreSQL | {database:,.1f} |
| write-ahead log | {wal / 2**40:,.1f} TiB a year, {wal / SECONDS_A_YEAR / 2**20:,.2f} MiB/s on average, {wal / SECONDS_A_YEAR * PEAK / 2**20:,.1f} MiB/s in the busiest second |
| disk | {disk / 2**40:,.2f} TiB a year, before an archive |
| cost of a year, with {COPIES} servers that have all data | about {price:,.0f}, at {CORE_HOUR_PRICE:.2f} a core-hour and {GIB_MONTH_PRICE:.2f} a GiB-month (assumed prices) |

## Several services on one database

HAProxy before several services of one worker each, and PostgreSQL limited to {DATABASE_CORES} of a core. Nothing is sticky:
each request goes to any service. The last column includes the count of the sales after each measurement.

| services | activations/s | p99, ms | cores that PostgreSQL used |
|---|---|---|---|
{_services(several)}
"""


def _services(several: list[Measured]) -> str:
    return "\n".join(
        f"| {each.services} | {each.per_second:,.0f} | {each.p99_ms:,.0f} | {each.database_cores:.2f} |"
        for each in several
    )


def main() -> int:
    """Measure, and write the page."""
    if not can_limit():
        sys.exit(
            "This limits the processor time of PostgreSQL. Run it as root, with control groups of version 1."
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        embedded_postgres(FOLDER / "postgres") as server,
        service_on(make_database(server, "capacity"), FOLDER / "capacity.log") as place,
    ):
        activate(place, MANY, WARM_UP_SECONDS)
        generate(place, "warm", WARM_UP_SECONDS)
        redeem(place, MANY, WARM_UP_SECONDS)
        generated, generated_rate = cost_of(
            place, lambda: generate(place, "capacity", SECONDS), TICKETS_A_BATCH
        )
        unused = place.fill(tickets_for(MANY, SECONDS))
        activated, activated_rate = cost_of(place, lambda: activate_from(place, unused, MANY, SECONDS), 1)
        sold = place.fill_sold(sold_tickets_for(SECONDS))
        redeemed, redeemed_rate = cost_of(place, lambda: redeem_from(place, sold, MANY, SECONDS), 1)
        several = with_services(place, FOLDER)
    capacity = Capacity(generated, activated, redeemed)
    before = PAGE.read_text() if PAGE.exists() else ""
    kept = before[before.index(BY_HAND) :] if BY_HAND in before else ""
    PAGE.write_text(f"{_page(capacity, [generated_rate, activated_rate, redeemed_rate], several)}\n{kept}")
    print(f"See {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
