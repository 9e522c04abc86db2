"""Ten times as many requests as the service can take: `python -m bench.overload`. It prints what each client gets."""

import argparse
import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import psutil
from support.postgres import postgres
from support.processes import workers_of
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.wire import Wire, activation, get, wires

from premade.bootstrap import bring_up_to_date
from premade.runtime.clock import Runtime

PARTNERS = 4
TICKETS = 2_500
"""Unused tickets of each partner."""
CONNECTIONS = 1_500
CLIENTS = 32
"""Clients that find out how many requests a second the service can take: each sends one after the other."""
SECONDS = 5
TIMES = 10
TICK_SECONDS = 0.002
SUCCESS = 200
CLASSES = ("GENERATE", "ACTIVATE", "READ", "GATE")


@dataclass
class Requests:
    """An endless mix: every second request activates a ticket, the others read one."""

    sellers: Sequence[Seller]
    number: int = 0

    def __post_init__(self) -> None:
        self.codes = {
            seller.key: [code for _ in range(TICKETS // 100) for code in seller.tickets(100)]
            for seller in self.sellers
        }

    def next(self) -> bytes:
        """Return the next request."""
        number = self.number
        self.number += 1
        seller = self.sellers[number // 2 % len(self.sellers)]
        codes = self.codes[seller.key]
        if number % 2 and len(codes) > 1:
            return activation(seller, codes.pop())
        return get(f"/api/ota/tickets/{codes[0]}", **{"X-API-Key": seller.key})


@dataclass
class Results:
    """Responses: their statuses, and seconds of successes and refusals. `unsent`: all connections were in use."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    successes: list[float] = field(default_factory=list[float])
    refusals: list[float] = field(default_factory=list[float])
    unsent: int = 0

    async def send(self, wire: Wire, request: bytes) -> None:
        """Send a request and note its response."""
        began = time.perf_counter()
        status = (await wire.send(request).answer()).status
        self.statuses[status] += 1
        (self.successes if status == SUCCESS else self.refusals).append(time.perf_counter() - began)


def percentile_ms(seconds: Sequence[float], part: float) -> float:
    """Return a percentile in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0


async def capacity(opened: Sequence[Wire], requests: Requests, seconds: float) -> float:
    """Return how many requests a second succeed while CLIENTS clients wait for each response."""
    end = time.perf_counter() + seconds
    results = Results()

    async def client(wire: Wire) -> None:
        while time.perf_counter() < end:
            await results.send(wire, requests.next())

    await asyncio.gather(*(client(wire) for wire in opened[:CLIENTS]))
    return len(results.successes) / seconds


async def offer(opened: Sequence[Wire], requests: Requests, per_second: float) -> Results:
    """Send at this rate, however long the responses take."""
    free, results, tasks, due = deque(opened), Results(), set[asyncio.Task[None]](), 0
    began = time.perf_counter()

    async def one(wire: Wire) -> None:
        await results.send(wire, requests.next())
        free.append(wire)

    while (seconds := time.perf_counter() - began) < SECONDS:
        for _ in range(int(seconds * per_second) - due):
            due += 1
            if free:
                task = asyncio.create_task(one(free.popleft()))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                results.unsent += 1
        await asyncio.sleep(TICK_SECONDS)
    await asyncio.gather(*tasks)
    return results


def memory_mib(service: Service) -> float:
    """Return the resident memory of the workers."""
    return sum(worker.memory_info().rss for worker in workers_of(psutil.Process(service.process.pid))) / 2**20


async def measure(service: Service, requests: Requests) -> None:
    """Print the figures before, during and after the overload."""
    async with wires(service, CONNECTIONS) as opened:
        await capacity(opened, requests, 1)
        before, memory_before = await capacity(opened, requests, 2), memory_mib(service)
        results = await offer(opened, requests, before * TIMES)
        memory_during = memory_mib(service)
        after = await capacity(opened, requests, 2)
    print(f"before      {before:6.0f} requests/s, {memory_before:.0f} MiB")
    print(f"offered     {before * TIMES:6.0f} requests/s, {results.unsent} found no free connection")
    print(f"statuses    {dict(results.statuses)}, {memory_during:.0f} MiB")
    for name, seconds in (("accepted", results.successes), ("refused", results.refusals)):
        p50, p99 = percentile_ms(seconds, 0.5), percentile_ms(seconds, 0.99)
        print(f"{name:11} {len(seconds) / SECONDS:6.0f} /s, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    print(f"after       {after:6.0f} requests/s, {memory_mib(service):.0f} MiB")


def main() -> None:
    """Measure one worker on an embedded PostgreSQL."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    limits = {f"PREMADE_RATE_LIMIT_{name}": "0" for name in CLASSES}
    # All clients have one address.
    limits["PREMADE_CONNECTIONS_PER_ADDRESS_MAX"] = str(2 * CONNECTIONS)
    with (
        TemporaryDirectory(prefix="premade-overload-") as folder,
        postgres("embedded", Path(folder)) as dsn,
    ):
        bring_up_to_date(dsn, Runtime(ZoneInfo("UTC")))
        environment = environment_for(dsn, None, **limits)
        with running_service(environment, Path(folder) / "log", workers=1) as service:
            shop = Shop(dsn, service.url)
            asyncio.run(
                measure(service, Requests([shop.seller(stock=10 * TICKETS) for _ in range(PARTNERS)]))
            )


if __name__ == "__main__":
    main()
