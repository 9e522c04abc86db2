"""Measure backup and restore: `PYTHONPATH=tests python -m bench.backups [TICKETS]`.

The embedded PostgreSQL has many tickets, every second one sold. While the backup runs, partners sell at a fixed rate. Their
response times are compared with those before.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from support.service import environment_for
from support.shop import sale

from bench.place import Place, fill, make_database, service_on
from premade.postgres.embedded import embedded_postgres

TICKETS = 1_000_000
SALES_A_SECOND, CLIENTS = 40, 8
SECONDS_BEFORE = 20
SALES_MAX = 20_000


def premade(dsn: str, *arguments: str) -> tuple[float, Any]:
    """Run a command. Return its seconds, and its JSON."""
    started = time.monotonic()
    command = [sys.executable, "-m", "premade", *arguments, "--json"]
    done = subprocess.run(command, env=environment_for(dsn), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - started, json.loads(done.stdout)


def selling(place: Place, codes: Iterator[str], is_over: Callable[[], bool]) -> list[float]:
    """Sell at a fixed rate until it is over. Return the milliseconds of each sale, from the time at which it was due."""
    milliseconds: list[float] = []
    sales: list[Future[None]] = []

    def sell(due: float, code: str) -> None:
        answer = place.seller.activate(code, body=sale())
        milliseconds.append((time.monotonic() - due) * 1000)
        answer.raise_for_status()

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for number in itertools.count():
            due = began + number / SALES_A_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            if is_over():
                break
            sales.append(clients.submit(sell, due, next(codes)))
    for each in sales:
        each.result()
    return milliseconds


def show(what: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(
        f"{what}: {len(ordered)} sales, p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {ordered[-1]:.1f} ms",
        flush=True,
    )


def measure(server: str, folder: Path, tickets: int) -> None:
    dsn = make_database(server, "measured")
    fill(dsn, tickets)
    with psycopg.connect(dsn) as connection:
        [size] = connection.execute("SELECT pg_database_size(current_database())").fetchone() or [0]
    print(
        f"{tickets:,} tickets, {size / 1e9:.2f} GB on disk, {size / tickets:.0f} bytes per ticket", flush=True
    )
    with service_on(dsn, folder / "log") as place:
        place.next_ticket = tickets
        first = place.fill(SALES_MAX)
        codes = (f"CRUISE-2025-FERRY-{number:013d}" for number in itertools.count(first))
        place.vacuum()
        until = time.monotonic() + SECONDS_BEFORE
        show("before the backup", selling(place, codes, lambda: time.monotonic() > until))
        result: list[tuple[float, Any]] = []
        backup = threading.Thread(target=lambda: result.append(premade(dsn, "backup", str(folder))))
        backup.start()
        show("during the backup", selling(place, codes, lambda: not backup.is_alive()))
        [(seconds, made)] = result
    rate = made["rows"] / seconds
    print(
        f"backup: {seconds:.1f} s, {made['rows']:,} rows, {rate:,.0f} rows/s, {made['bytes'] / 1e6:.0f} MB, "
        f"{made['bytes'] / tickets:.0f} bytes per ticket",
        flush=True,
    )
    seconds, _ = premade(dsn, "backup", str(folder / "alone.dump"))
    print(f"backup without sales: {seconds:.1f} s", flush=True)
    for what, target, more in (
        ("in place of the database", dsn, ["--replace"]),
        ("into an empty database", empty(server), []),
    ):
        seconds, restored = premade(target, "restore", made["file"], *more)
        print(f"restore {what}: {seconds:.1f} s, {restored['rows'] / seconds:,.0f} rows/s", flush=True)


def empty(server: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE measured_again")
    return make_conninfo(server, dbname="measured_again")


def main() -> None:
    tickets = int(sys.argv[1]) if len(sys.argv) > 1 else TICKETS
    with (
        tempfile.TemporaryDirectory(prefix="premade-bench-") as folder,
        embedded_postgres(Path(folder) / "postgres") as server,
    ):
        measure(server, Path(folder), tickets)


if __name__ == "__main__":
    main()
