"""Few requests start in one turn of the event loop; partners take turns, and none starts late."""

import asyncio
import time
from itertools import pairwise

from premade.runtime.errors import Busy
from premade.runtime.starts import STARTS_AT_ONCE_MAX, WAIT_SECONDS_MAX, Starts

REQUESTS = 50


def test_few_start_in_one_turn_and_all_in_their_order() -> None:
    started: list[int] = []

    async def run() -> list[int]:
        starts = Starts(time.monotonic)

        async def one(number: int) -> None:
            await starts.wait("a")
            started.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(REQUESTS)]
        await asyncio.sleep(0)
        tasks[REQUESTS // 2].cancel()
        counts = [len(started)]
        async with asyncio.timeout(10):
            while len(started) < REQUESTS - 1:
                await asyncio.sleep(0)
                counts.append(len(started))
        return counts

    counts = asyncio.run(run())

    assert started == [number for number in range(REQUESTS) if number != REQUESTS // 2]
    assert max(after - before for before, after in pairwise([0, *counts])) <= STARTS_AT_ONCE_MAX


def test_partners_start_in_turn() -> None:
    started: list[str] = []

    async def run() -> None:
        starts = Starts(time.monotonic)

        async def one(owner: str) -> None:
            await starts.wait(owner)
            started.append(owner)

        await asyncio.gather(*(one(owner) for owner in ["flood"] * REQUESTS + ["other"]))

    asyncio.run(run())

    assert started.index("other") <= 2 * STARTS_AT_ONCE_MAX


def test_a_request_that_has_waited_for_too_long_may_not_start() -> None:
    now = 0.0

    async def run() -> list[object]:
        nonlocal now
        starts = Starts(lambda: now)
        waiting = [asyncio.create_task(starts.wait("a")) for _ in range(2 * STARTS_AT_ONCE_MAX)]
        await asyncio.sleep(0)
        now = WAIT_SECONDS_MAX + 0.1
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await starts.wait("a")
        return list(results)

    results = asyncio.run(run())

    assert results[:STARTS_AT_ONCE_MAX] == [None] * STARTS_AT_ONCE_MAX
    assert [type(result) for result in results[STARTS_AT_ONCE_MAX:]] == [Busy] * STARTS_AT_ONCE_MAX
