"""One run on one kind of server: clients send requests, faults come and go, and the checker compares."""

import asyncio
import os
import random
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import uvloop

from torture.checker import check
from torture.clients import Client
from torture.fault import Fault, Repair
from torture.journal import Exchange, read_journal
from torture.rules import Discrepancy
from torture.scans import device_discrepancies
from torture.schedule import schedule
from torture.single.faults import TWO_AT_ONCE, Kind, possible, two_at_once
from torture.single.place import Needs, Place, clients_of, place_with
from torture.tables import Tables, read_tables

PARTNERS = 4
CLIENTS, MORE_CLIENTS = 32, 256
RETRY_SECONDS_MAX = 0.3
"""Pause before a retry, so that the time until the service is back is measured."""
ANSWER_SECONDS_MAX = 15.0
STEADY_SECONDS = 0.5
"""Load before each fault, at least."""
READY_SECONDS_MAX = 10.0
"""Promise: after a fault the service is ready by itself within this time."""
READY_WAIT_SECONDS_MAX = 120.0
SETTLE_SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
SHOWN_MAX, SHOWN_CHARACTERS = 30, 500
PAIRS_SHARE = 0.15
"""Share of the faults that are two at once."""


@dataclass(frozen=True)
class Plan:
    """What a run shall do."""

    requests: int
    faults: int
    seed: int
    minutes_max: float
    only: tuple[str, ...] = ()
    """Names of faults; empty for all."""
    ready_seconds_max: float = READY_SECONDS_MAX


@dataclass(frozen=True)
class Round:
    """One fault. Seconds."""

    name: str
    description: str
    lasted: float
    ready_after: float
    """From the repair (for a fault without one, from the fault) until /readyz and a request say that the service is back."""
    gap: float
    """The longest time without an answered request, from the fault until the service was ready. Most faults leave a part
    of the clients or of the requests alone."""


@dataclass
class Result:
    """What a run did and found."""

    kind: str
    version: str
    seconds: float
    rounds: list[Round]
    requests: Counter[str] = field(default_factory=Counter[str])
    """Requests by kind."""
    answered: Counter[str] = field(default_factory=Counter[str])
    """Requests with a 2xx, by kind."""
    statuses: Counter[str] = field(default_factory=Counter[str])
    """Attempts by status; `lost`: no response."""
    retried: int = 0
    """Requests with several attempts."""
    replayed: int = 0
    """Requests whose response was found again by the key."""
    clients_cpu_seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict[str, int])
    """Rows that were compared, by table."""
    discrepancies: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        """Return a few lines for people."""
        attempts = dict(sorted(self.statuses.items()))
        cpu_micros = self.clients_cpu_seconds * 1e6 / max(1, self.statuses.total())
        line = (
            f"{self.kind}: {self.requests.total()} requests, {len(self.rounds)} faults in {self.seconds:.0f} s;"
            f" attempts {attempts}, {self.retried} retried, {self.replayed} found again;"
            f" {cpu_micros:.0f} µs of the clients for each; discrepancies: {len(self.discrepancies) or 'none'}"
        )
        return "\n".join([line, *(each[:SHOWN_CHARACTERS] for each in self.discrepancies[:SHOWN_MAX])])


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def run(kind: str, folder: Path, plan: Plan, needs: Needs) -> Result:
    """Run on this kind of server."""
    say(f"{kind}: starting PostgreSQL and the service")
    with place_with(kind, folder, PARTNERS, needs) as place:
        with place.server.connect() as connection:
            version = f"PostgreSQL {connection.info.server_version // 10_000}"
        began_at, cpu_at = time.monotonic(), time.process_time()
        rounds = uvloop.run(_send(place, plan))
        seconds, cpu_seconds = time.monotonic() - began_at, time.process_time() - cpu_at
        say(f"{kind}: {place.journal.requests} requests in {seconds:.0f} s; comparing with the tables")
        found = check(read_journal(place.journal.path), _tables(place))
        say(f"{kind}: sending again what has no answer")
        found += uvloop.run(_settle(place))
        exchanges, tables = read_journal(place.journal.path), _tables(place)
        found += check(exchanges, tables)
        found += device_discrepancies([account.known for account in place.accounts], tables)
        found += _late(rounds, plan.ready_seconds_max)
    return _result(
        Result(kind, version, seconds, rounds, clients_cpu_seconds=cpu_seconds), exchanges, tables, found
    )


async def _send(place: Place, plan: Plan) -> list[Round]:
    """Send requests while faults come and go."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    clients = clients_of(place, CLIENTS, f"{plan.seed}", RETRY_SECONDS_MAX, ANSWER_SECONDS_MAX)
    running = [asyncio.create_task(_run_client(client, stop)) for client in clients]
    place.more_clients = lambda: _more_clients(place, plan, loop)
    try:
        return await asyncio.to_thread(lambda: list(_rounds(place, plan)))
    finally:
        stop.set()
        await asyncio.gather(*running)


async def _run_client(client: Client, stop: asyncio.Event) -> None:
    """Let a client send requests until `stop`. An error of its own ends the whole run: it is one of the harness."""
    try:
        async with client:
            await client.run(stop, 0.0)
    except Exception:  # noqa: BLE001  (whatever it is)
        traceback.print_exc()
        os._exit(2)


def _more_clients(place: Place, plan: Plan, loop: asyncio.AbstractEventLoop) -> Repair:
    """Start more clients in the loop of the others; return how to stop them."""
    stop = asyncio.Event()
    # Another seed each time: two clients must not send the same keys.
    seed = f"{plan.seed} after {place.journal.requests}"
    clients = clients_of(place, MORE_CLIENTS, seed, RETRY_SECONDS_MAX, ANSWER_SECONDS_MAX)

    async def run_all() -> None:
        await asyncio.gather(*(_run_client(client, stop) for client in clients))

    running = asyncio.run_coroutine_threadsafe(run_all(), loop)

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)
        running.result()

    return end


def _rounds(place: Place, plan: Plan) -> Iterator[Round]:
    """Break and repair, again and again, at even distances in the number of requests or in time, whichever comes first."""
    choice = random.Random(plan.seed)
    kinds = possible(place)
    deadline = time.monotonic() + plan.minutes_max * 60
    for number, fault in enumerate(_chosen(kinds, plan, choice), 1):
        share = number / (plan.faults + 1)
        # A slow machine gets its faults in time, if the run has a limit.
        due_at = deadline - plan.minutes_max * 60 * (1 - share)
        _wait_for_requests(place, int(plan.requests * share), due_at, STEADY_SECONDS)
        if time.monotonic() > deadline:
            say(f"{plan.minutes_max} minutes are over")
            return
        try:
            round_ = _one(place, fault)
        except (OSError, psycopg.Error, subprocess.SubprocessError) as error:
            # Such as a process that has just ended. The next fault comes on time.
            say(f"{place.server.kind} {number}: {fault.name} could not be done: {error!r}")
            continue
        say(
            f"{place.server.kind} {number} of {plan.faults}: {fault.name}: {fault.description};"
            f" ready after {round_.ready_after:.1f} s ({place.journal.requests} requests)"
        )
        yield round_
    _wait_for_requests(place, plan.requests, deadline, 0)


def _chosen(kinds: list[Kind], plan: Plan, choice: random.Random) -> Iterator[Fault[Place]]:
    """Yield the faults: each kind before any comes again, and pairs in between."""
    pairs = 0 if plan.only and TWO_AT_ONCE not in plan.only else round(plan.faults * PAIRS_SHARE)
    single = [kind for kind in kinds if not plan.only or kind.fault.name in plan.only]
    if not single:
        pairs = plan.faults
    alone = [kind.fault for kind in schedule(single, plan.faults - pairs, choice)]
    chosen = [*alone, *(two_at_once(kinds, choice) for _ in range(pairs))]
    # The pairs are spread over the run; the order of the others stays.
    places = sorted(choice.sample(range(plan.faults), pairs))
    others, twos = iter(alone), iter(chosen[len(alone) :])
    for number in range(plan.faults):
        yield next(twos) if number in places else next(others)


def _wait_for_requests(place: Place, count: int, deadline: float, seconds_min: float) -> None:
    """Wait for so many requests until the deadline, and for `seconds_min` in any case."""
    began = time.monotonic()
    while time.monotonic() - began < seconds_min or (
        place.journal.requests < count and time.monotonic() < deadline
    ):
        time.sleep(POLL_SECONDS)


def _one(place: Place, fault: Fault[Place]) -> Round:
    began_at = time.time()
    place.journal.gap_seconds_max = 0
    repair = fault.begin(place)
    time.sleep(max(0, began_at + fault.seconds - time.time()))
    repaired_at = time.time() if fault.seconds >= 1 else began_at
    repair()
    ready_at = wait_until_ready(place, repaired_at)
    return Round(
        fault.name,
        fault.description,
        repaired_at - began_at,
        ready_at - repaired_at,
        place.journal.gap_seconds_max,
    )


def wait_until_ready(place: Place, since: float) -> float:
    """Wait until /readyz answers 200, and a request that was sent after `since` is answered. Return the Unix time then.

    The wait ends after READY_WAIT_SECONDS_MAX.
    """
    deadline = time.monotonic() + READY_WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        if place.is_ready() and place.journal.answered_began_at > since:
            break
        time.sleep(POLL_SECONDS)
    return time.time()


def _late(rounds: list[Round], seconds_max: float) -> Iterator[Discrepancy]:
    for each in rounds:
        if each.ready_after > seconds_max:
            yield Discrepancy(
                f"ready again within {seconds_max:.0f} s",
                f"{each.name} ({each.description}): {each.ready_after:.1f} s",
            )


async def _settle(place: Place) -> list[Discrepancy]:
    """Send each request again whose result its client does not know. Then each device takes a last snapshot."""
    unanswered: list[Exchange] = []
    open_exchanges = [each for each in read_journal(place.journal.path) if each.decisive is None]
    for account in place.accounts:
        async with Client([place.url], account, place.journal, "settle") as client:
            for exchange in open_exchanges:
                if exchange.request.partner_id == account.known.partner_id and (
                    await client.complete(exchange.request, SETTLE_SECONDS_MAX) is None
                ):
                    unanswered += [exchange]
            await client.fetch_snapshots()
    return [Discrepancy("a retry gets a result in the end", str(each.request)) for each in unanswered]


def _tables(place: Place) -> Tables:
    with psycopg.connect(place.server.dsn) as connection:
        # One snapshot: a reservation may expire meanwhile, and a request that its client gave up may still be executed.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return read_tables(connection, [account.known.partner_id for account in place.accounts])


def _result(result: Result, exchanges: list[Exchange], tables: Tables, found: list[Discrepancy]) -> Result:
    for exchange in exchanges:
        result.requests[exchange.request.kind] += 1
        result.answered[exchange.request.kind] += exchange.success is not None
        result.retried += len(exchange.responses) > 1
        result.replayed += any(response.is_replay for response in exchange.responses)
        result.statuses.update(str(response.status or "lost") for response in exchange.responses)
    result.rows = {
        "tickets": len(tables.tickets),
        "orders": len(tables.orders),
        "batches": len(tables.batches),
        "reservations": len(tables.reservations),
        "audit events": len(tables.events),
    }
    result.discrepancies = [str(each) for each in dict.fromkeys(found)]
    return result
