"""`python -m torture.ha`, run by `make ha`: sell on a cluster of three nodes, break it again and again, and check the tables.

It needs root on Linux, because it makes network namespaces.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from torture.checker import check
from torture.clients import Client
from torture.fault import Fault
from torture.files import keep_files
from torture.ha import ROOT
from torture.ha.cluster import ROLES, Cluster, cluster
from torture.ha.faults import FAULTS
from torture.ha.needs import lack
from torture.ha.place import Place, place_on
from torture.ha.report import Round, summary
from torture.journal import Exchange, Journal, read_journal
from torture.namespaces import enter_namespaces, is_inside
from torture.rules import Discrepancy
from torture.schedule import schedule
from torture.tables import read_tables

CLIENTS = 16
PAUSE_SECONDS = 0.25
PROBES, PROBE_SECONDS = 2, 0.2
"""Clients that retry at once, so that pauses of clients do not count as time without service."""
STEADY_SECONDS = 5.0
"""Load before each fault."""
SETTLE_SECONDS_MAX = 60.0
CATCH_UP_SECONDS_MAX = 60.0
HAPROXY_SECONDS_MAX = 10.0
REPORTS = ROOT / "reports"
JOURNAL = "journal"
_COMPARED = ("pre_generated_tickets", "ota_orders", "batches", "reservations", "allotments", "audit_events")
_DIGEST = "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    rounds: int
    seed: int
    kinds: list[Fault[Cluster]]
    mode: str


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def read_options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m torture.ha", description=__doc__)
    parser.add_argument("--rounds", type=int, default=16, help="number of faults")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same faults")
    names = {fault.begin.__name__: fault for fault in FAULTS}
    parser.add_argument("--only", choices=names, action="append", help="only this kind; can be repeated")
    parser.add_argument(
        "--replication", choices=ROLES, default="synchronous", help="another mode, to see what it loses"
    )
    arguments = parser.parse_args()
    return Options(
        arguments.rounds,
        arguments.seed,
        [names[name] for name in arguments.only or names],
        arguments.replication,
    )


def main() -> int:
    """Return 0, or 1 if something was lost or done twice."""
    options = read_options()
    if not is_inside():
        if refusal := lack():
            sys.exit(refusal)
        enter_namespaces("torture.ha", "--net")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="premade-ha-")))
        folder.chmod(0o755)
        stack.callback(keep_files, folder, REPORTS / "ha", "*.log", JOURNAL)
        say("starting three nodes")
        nodes = stack.enter_context(cluster(folder))
        place = stack.enter_context(place_on(nodes))
        nodes.replicate(options.mode)
        journal = Journal(folder / JOURNAL)
        rounds = asyncio.run(_sell(nodes, place, journal, options))
        discrepancies = _check(nodes, place, folder)
        discrepancies += asyncio.run(_settle(place, journal, folder))
        journal.close()
        discrepancies += [*_check(nodes, place, folder), *_differing_nodes(nodes)]
        result = summary(options.seed, rounds, _exchanges(folder), list(dict.fromkeys(discrepancies)))
    (REPORTS / "ha.json").write_text(json.dumps(asdict(result), indent=1) + "\n")
    print(result.text())
    return int(bool(discrepancies))


async def _sell(nodes: Cluster, place: Place, journal: Journal, options: Options) -> list[Round]:
    """Sell while faults come and go."""
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(
                    [place.url],
                    place.accounts[number % len(place.accounts)],
                    journal,
                    seed=f"{options.seed}.{number}",
                    retry_seconds_max=PROBE_SECONDS if number < PROBES else math.inf,
                )
            )
            for number in range(CLIENTS)
        ]
        running = [asyncio.create_task(client.run(stop, PAUSE_SECONDS)) for client in clients]
        try:
            return await asyncio.to_thread(lambda: list(_rounds(nodes, journal, options)))
        finally:
            stop.set()
            await asyncio.gather(*running)


def _rounds(nodes: Cluster, journal: Journal, options: Options) -> Iterator[Round]:
    """Break and repair the cluster, again and again."""
    faults = schedule(options.kinds, options.rounds, random.Random(options.seed))
    for number, fault in enumerate(faults, 1):
        nodes.wait_until_healthy()
        before = journal.successes
        time.sleep(STEADY_SECONDS)
        primary, recoveries = nodes.primary().name, nodes.recoveries()
        rate = (journal.successes - before) / STEADY_SECONDS
        say(
            f"{number} of {options.rounds}: {fault.name} (primary {primary}, {rate:.0f} answered writes a second)"
        )
        print(f"          {fault.description}", flush=True)
        began_at = time.time()
        repair = fault.begin(nodes)
        time.sleep(max(0, began_at + fault.seconds - time.time()))
        repaired_at = time.time()
        repair()
        nodes.wait_until_healthy()
        rewinds, copies = (now - then for now, then in zip(nodes.recoveries(), recoveries, strict=True))
        yield Round(fault.name, primary, began_at, repaired_at, time.time(), rewinds, copies)


async def _settle(place: Place, journal: Journal, folder: Path) -> list[Discrepancy]:
    """Send each request again whose result its client does not know. Return those that still have none."""
    open_requests: list[Discrepancy] = []
    for account in place.accounts:
        async with Client([place.url], account, journal, seed="settle") as client:
            for exchange in _exchanges(folder):
                if exchange.decisive is not None or exchange.request.partner_id != account.known.partner_id:
                    continue
                if await client.complete(exchange.request, SETTLE_SECONDS_MAX) is None:
                    open_requests.append(
                        Discrepancy("a retry gets a result in the end", str(exchange.request))
                    )
    return open_requests


def _exchanges(folder: Path) -> list[Exchange]:
    return read_journal(folder / JOURNAL)


def _check(nodes: Cluster, place: Place, folder: Path) -> list[Discrepancy]:
    with _connect_by_haproxy(nodes) as connection:
        # One snapshot: a reservation may expire meanwhile, and a request that its client gave up may still be executed.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        tables = read_tables(connection, [account.known.partner_id for account in place.accounts])
    return check(_exchanges(folder), tables)


def _connect_by_haproxy(nodes: Cluster) -> psycopg.Connection:
    """Connect to the primary. HAProxy knows a former one as the primary until two of its checks have failed."""
    deadline = time.monotonic() + HAPROXY_SECONDS_MAX
    while True:
        try:
            return psycopg.connect(nodes.dsn_by_haproxy)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _differing_nodes(nodes: Cluster) -> Iterator[Discrepancy]:
    """Compare the rows of all nodes, once they have caught up."""
    digests = [_digest_of(nodes.dsn_of(node)) for node in nodes.nodes]
    deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
    while len(set(digests)) > 1 and time.monotonic() < deadline:
        time.sleep(1)
        digests = [_digest_of(nodes.dsn_of(node)) for node in nodes.nodes]
    if len(set(digests)) > 1:
        yield Discrepancy("all nodes have the same rows", str(digests))


def _digest_of(dsn: str) -> tuple[str, ...]:
    with psycopg.connect(dsn) as connection:
        return tuple(
            digest
            for table in _COMPARED
            for (digest,) in connection.execute(_DIGEST.format(table=table).encode())
        )


if __name__ == "__main__":
    sys.exit(main())
