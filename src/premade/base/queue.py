"""A bounded queue in which requests wait for the statement that will settle them together.

While one statement is in flight, whatever arrives waits here; the next statement takes it all. A request that is
alone goes at once. Under load a commit, the dearest part of a small change, is shared by many.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Generic, Protocol, TypeVar

from premade.base.errors import Busy, DatabaseAway, Unavailable
from premade.base.logs import log
from premade.base.work import LOCK_TIMEOUT_MS

QUEUE_ITEMS_MAX = 2_000
STATEMENT_ITEMS_MAX = 200
STATEMENTS_IN_FLIGHT_MAX = 1
ALONE_AT_ONCE_MAX = 3

Outcome = dict[str, Any]


class Item(Protocol):
    """A change that is asked for."""

    @property
    def request_id(self) -> str:
        """Names the request in the log."""
        ...

    @property
    def claims(self) -> AbstractSet[tuple[Any, ...]]:
        """What no two of one statement may share, such as the ticket."""
        ...


Asked = TypeVar("Asked", bound=Item)


class QueueFull(Unavailable):
    """More requests of this kind are waiting than the service takes on. Nothing was changed."""

    code = "QUEUE_FULL"
    title = "Too many requests are waiting"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key or scan_id."


class Alone:
    """Lets few requests at a time wait in the database for what another holds; the connections that are left are
    for whoever need not wait.
    """

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(ALONE_AT_ONCE_MAX)

    @asynccontextmanager
    async def turn(self, what: str) -> AsyncGenerator[None]:
        """Busy when none comes in LOCK_TIMEOUT_MS; `what` begins the sentence that says so."""
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_MS / 1000):
                await self._turns.acquire()
        except TimeoutError:
            raise in_use(what) from None
        try:
            yield
        finally:
            self._turns.release()


def in_use(what: str = "The ticket") -> Busy:
    """Another request holds it for too long."""
    return Busy(f"{what} is in use by another request; nothing was changed. Try again.")


class Queue(Generic[Asked]):
    """The changes of one kind and one process on their way into the database."""

    def __init__(self, kind: str, run: Callable[[list[Asked]], Awaitable[list[Outcome]]]) -> None:
        """`run` settles many at once and answers an outcome for each, in their order; `kind` names them in the log."""
        self._kind = kind
        self._run = run
        self._waiting: deque[tuple[Asked, asyncio.Future[Outcome | None]]] = deque()
        self._in_flight = 0
        # The event loop itself keeps only weak references.
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcome(self, asked: Asked) -> Outcome | None:
        """What came of it; None when it has to be tried alone. QueueFull, DatabaseAway.

        It is carried out even when the client goes away meanwhile.
        """
        if len(self._waiting) >= QUEUE_ITEMS_MAX:
            message = f"{QUEUE_ITEMS_MAX} requests are waiting already; nothing was changed."
            raise QueueFull(message)
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._in_flight < STATEMENTS_IN_FLIGHT_MAX:
            self._in_flight += 1
            # Not in the context of the request that happens to start it: its log lines are about others too.
            task = asyncio.create_task(self._work(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._settle(self._next())
        finally:
            # In the same turn of the loop as the look that found nobody waiting: who comes later starts anew.
            self._in_flight -= 1

    def _next(self) -> list[tuple[Asked, asyncio.Future[Outcome | None]]]:
        """The next that may share a statement: none of their claims twice."""
        batch, later = may_share(self._waiting, lambda item: item[0].claims)
        self._waiting.extendleft(reversed(later))
        return batch

    async def _settle(self, batch: list[tuple[Asked, asyncio.Future[Outcome | None]]]) -> None:
        outcomes: list[Outcome | None]
        failure: Exception | None = None
        try:
            outcomes = [*await self._run([asked for asked, _ in batch])]
            _one_each(batch, outcomes)
        except DatabaseAway as away:
            # Those behind too: each statement would wait for the database anew, and the last for a minute.
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(away)
            self._waiting.clear()
            return
        except Exception as error:  # noqa: BLE001  (one bad item must not take its neighbours down: each is tried alone)
            failure, outcomes = error, [None] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
        if failure is not None:
            # After them: whatever becomes of a line of the log, nobody waits for ever.
            log.warning(
                f"{self._kind}.statement_failed",
                reason=type(failure).__name__,
                request_ids=[asked.request_id for asked, _ in batch],
            )


def _one_each(asked: Sequence[Any], outcomes: Sequence[Any]) -> None:
    """Whoever got no outcome would wait for ever."""
    if len(asked) != len(outcomes):
        message = f"{len(outcomes)} outcomes for {len(asked)} requests"
        raise RuntimeError(message)


Waiting = TypeVar("Waiting")


def may_share(
    waiting: deque[Waiting], claims_of: Callable[[Waiting], AbstractSet[tuple[Any, ...]]]
) -> tuple[list[Waiting], list[Waiting]]:
    """Takes from `waiting`: those that may share a statement, and those passed over; each in their order."""
    batch: list[Waiting] = []
    later: list[Waiting] = []
    seen: set[tuple[Any, ...]] = set()
    while waiting and len(batch) < STATEMENT_ITEMS_MAX:
        item = waiting.popleft()
        claims = claims_of(item)
        if seen.isdisjoint(claims):
            batch.append(item)
        else:
            later.append(item)
        # Also of one that is passed over: what comes after it and shares with it must not overtake it.
        seen |= claims
    return batch, later
