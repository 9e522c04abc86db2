"""The cache that fetches a value once for all who wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from premade.runtime.single_flight import SingleFlightCache


class Source:
    """A source of values that answers when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked: list[str] = []
        self.answers: list[asyncio.Future[int]] = []

    async def fetch(self, key: str) -> int:
        self.asked.append(key)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return await answer

    def cache(self, **limits: float) -> SingleFlightCache[str, int]:
        return SingleFlightCache(self.fetch, lambda: self.seconds, **limits)  # type: ignore[arg-type]


async def begun(*asked: Awaitable[int]) -> list[asyncio.Future[int]]:
    tasks: list[asyncio.Future[int]] = [asyncio.ensure_future(each) for each in asked]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def run(test: Callable[[Source], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Source())

    asyncio.run(main())


def test_all_who_wait_share_one_fetch_and_one_that_goes_away_takes_nothing_from_the_others() -> None:
    async def test(source: Source) -> None:
        cache = source.cache()
        tasks = await begun(*(cache.get("a", 5) for _ in range(3)))
        tasks[0].cancel()
        source.answers[0].set_result(7)
        assert await asyncio.gather(*tasks[1:]) == [7, 7]
        assert source.asked == ["a"]
        assert cache.peek("a") == 7

    run(test)


def test_a_value_is_fetched_again_when_it_is_too_old_for_the_caller() -> None:
    async def test(source: Source) -> None:
        cache = source.cache()
        cache.put("a", 1, began_at=0.0)
        source.seconds = 4.9
        assert await cache.get("a", 5) == 1
        source.seconds = 5.0
        [task] = await begun(cache.get("a", 5))
        source.answers[0].set_result(2)
        assert await task == 2

    run(test)


def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    async def test(source: Source) -> None:
        cache = source.cache()
        tasks = await begun(cache.get("a", 5), cache.get("a", 5))
        source.answers[0].set_exception(OSError("away"))
        for task in tasks:
            with pytest.raises(OSError, match="away"):
                await task
        assert cache.peek("a") is None
        [task] = await begun(cache.get("a", 5))
        source.answers[1].set_result(3)
        assert await task == 3

    run(test)


def test_an_old_fetch_in_progress_is_not_joined_beyond_the_limit() -> None:
    async def test(source: Source) -> None:
        cache = source.cache(join_seconds_max=2)
        [first] = await begun(cache.get("a", 5))
        source.seconds = 2.0
        [second] = await begun(cache.get("a", 5))
        source.answers[1].set_result(2)
        source.answers[0].set_result(1)
        assert (await first, await second) == (1, 2)
        assert await cache.get("a", 5) == 2

    run(test)


def test_the_number_of_entries_is_bounded() -> None:
    async def test(source: Source) -> None:
        cache = source.cache(entries_max=2)
        for key in "abc":
            cache.put(key, 1, began_at=0.0)
        assert [key for key in "abc" if key in cache] == ["c"]

    run(test)


def test_a_fresh_value_is_of_a_fetch_that_begins_after_the_call_and_is_shared() -> None:
    async def test(source: Source) -> None:
        cache = source.cache()
        [first] = await begun(cache.get_fresh("a"))
        later = await begun(*(cache.get_fresh("a") for _ in range(3)))
        assert source.asked == ["a"], "one at a time"
        source.answers[0].set_exception(OSError("away"))
        with pytest.raises(OSError, match="away"):
            await first
        for _ in range(3):
            await asyncio.sleep(0)
        later[0].cancel()
        [latest] = await begun(cache.get_fresh("a"))
        source.answers[1].set_result(2)
        assert await asyncio.gather(*later[1:]) == [2, 2]
        for _ in range(3):
            await asyncio.sleep(0)
        source.answers[2].set_result(3)
        assert await latest == 3
        assert source.asked == ["a"] * 3

    run(test)


def test_a_fetch_that_nobody_waits_for_begins_unless_one_is_running() -> None:
    async def test(source: Source) -> None:
        cache = source.cache()
        for _ in range(2):
            cache.ensure_running("a")
            await begun()
        assert source.asked == ["a"]
        source.answers[0].set_result(1)
        await begun()
        cache.ensure_running("a")
        await begun()
        assert source.asked == ["a"] * 2
        source.answers[1].set_result(2)

    run(test)
