"""Limits on concurrent work, in total and for each owner. Callers over the limit wait for a short time."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from premade.runtime.errors import Unavailable

TURN_SECONDS_MAX = 2.0
current_owner: ContextVar[Hashable] = ContextVar("current_owner", default=None)
"""Partner of the current request. None: staff, or the service itself."""


def may_wait(of_owner: int, in_all: int, in_all_max: int) -> bool:
    """Return whether one more request of an owner may join a queue that has `in_all` requests, `of_owner` of them its own.

    An owner may have at most as many requests in a queue as there are free places. One owner alone fills half of the queue,
    two owners a third each. So there is always room for another owner.
    """
    return of_owner < in_all_max - in_all


@asynccontextmanager
async def _permit(
    semaphore: asyncio.Semaphore, refusal: Unavailable, wait_seconds_max: float
) -> AsyncGenerator[None]:
    """Hold one permit of the semaphore during the block. Raises `refusal` if none is free within `wait_seconds_max`."""
    try:
        async with asyncio.timeout(wait_seconds_max):
            await semaphore.acquire()
    except TimeoutError:
        raise refusal from None
    try:
        yield
    finally:
        semaphore.release()


class Places:
    """At most `in_all` slots in use at once, and at most `of_one` of them by one owner."""

    def __init__(self, in_all: int, of_one: int, refusal: Callable[[], Unavailable]) -> None:
        """`refusal` returns the error to raise if no slot becomes free within TURN_SECONDS_MAX."""
        self._in_all = in_all
        self._of_one = of_one
        self._refusal = refusal
        self._taken: Counter[Hashable] = Counter()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def place(self, owner: Hashable) -> AsyncGenerator[None]:
        """Hold a slot during the block."""
        try:
            async with asyncio.timeout(TURN_SECONDS_MAX), self._freed:
                await self._freed.wait_for(lambda: self._is_free(owner))
                self._taken[owner] += 1
        except TimeoutError:
            raise self._refusal() from None
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]
            async with self._freed:
                self._freed.notify_all()

    def _is_free(self, owner: Hashable) -> bool:
        return self._taken[owner] < self._of_one and self._taken.total() < self._in_all


@dataclass(frozen=True)
class LaneLimits:
    """Limits of the responses in one lane."""

    responses_max: int
    """Responses at once, until they are sent."""
    reads_max: int
    """Of these, how many of one kind read the database at once. Each holds a connection."""
    read_wait_seconds_max: float
    """Maximum wait for a turn to read the database."""
    refusal: Callable[[], Unavailable]
    """Returns the error to raise beyond a limit."""


class Lane:
    """Limits of long responses to one group of callers, such as partners. Each group has its own lane, so that no group
    waits for another.
    """

    def __init__(self, limits: LaneLimits, of_one_max: int) -> None:
        """`of_one_max`: responses to one owner at once."""
        self._limits = limits
        self._places = Places(limits.responses_max, of_one_max, limits.refusal)
        self._reads = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(limits.reads_max))

    def place(self, owner: Hashable) -> AbstractAsyncContextManager[None]:
        """Return a context manager that holds a slot for a response until it is sent."""
        return self._places.place(owner)

    def read(self, kind: str = "") -> AbstractAsyncContextManager[None]:
        """Return a context manager that holds one of the slots to read the database. Each `kind` of reads has its own slots."""
        return _permit(self._reads[kind], self._limits.refusal(), self._limits.read_wait_seconds_max)


class RoundRobin:
    """Round robin between owners: `at_once` turns in all, `of_one_max` of them for one owner; the owner served longest ago
    is next.
    """

    def __init__(
        self, at_once: int, waiting_max: int, refusal: Callable[[], Exception], of_one_max: int = 1
    ) -> None:
        """`refusal` returns the error to raise if too many already wait (`may_wait`)."""
        self._free = at_once
        self._waiting_max = waiting_max
        self._refusal = refusal
        self._of_one_max = of_one_max
        self._busy: dict[Hashable, int] = {}
        """Turns in use, by owner."""
        self._waiting_count = 0
        self._waiting: defaultdict[Hashable, deque[asyncio.Future[None]]] = defaultdict(deque)
        """By owner; the first owner is served next."""

    @asynccontextmanager
    async def turn(self, owner: Hashable) -> AsyncGenerator[None]:
        """Take a turn of this owner for the duration of the block."""
        if not self.take(owner):
            await self.wait(owner)
        try:
            yield
        finally:
            self.end(owner)

    def take(self, owner: Hashable) -> bool:
        """Take a turn if one is free, and return whether it was. Call `end` after it."""
        if not self._free or self._busy.get(owner, 0) >= self._of_one_max:
            return False
        self._begin(owner)
        return True

    async def wait(self, owner: Hashable) -> None:
        """Wait for a turn, and take it. Call `end` after it."""
        if not may_wait(len(self._waiting.get(owner, ())), self._waiting_count, self._waiting_max):
            raise self._refusal()
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[owner].append(mine)
        self._waiting_count += 1
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                self._forget(owner, mine)
            else:
                self.end(owner)
            raise

    def _forget(self, owner: Hashable, mine: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(owner, deque())
        if mine in waiting:
            waiting.remove(mine)
            self._waiting_count -= 1
            if not waiting:
                del self._waiting[owner]

    def _begin(self, owner: Hashable) -> None:
        self._free -= 1
        self._busy[owner] = self._busy.get(owner, 0) + 1

    def end(self, owner: Hashable) -> None:
        """Give a turn back. It goes to the next owner that waits."""
        self._free += 1
        self._busy[owner] -= 1
        if not self._busy[owner]:
            del self._busy[owner]
        if owner in self._waiting:
            # Behind all others.
            self._waiting[owner] = self._waiting.pop(owner)
        while self._free and (next_owner := self._next_owner()) is not None:
            waiting = self._waiting.pop(next_owner[0])
            first = waiting.popleft()
            self._waiting_count -= 1
            if waiting:
                self._waiting[next_owner[0]] = waiting
            # A request that was cancelled a moment ago has not left the queue yet.
            if not first.cancelled():
                self._begin(next_owner[0])
                first.set_result(None)

    def _next_owner(self) -> tuple[Hashable] | None:
        """Return the next owner that may take a turn, as a tuple: None can be an owner."""
        return next(((one,) for one in self._waiting if self._busy.get(one, 0) < self._of_one_max), None)
