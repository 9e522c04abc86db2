"""A bounded queue in which requests wait for the statement that will settle them together.

While one statement is in flight, whatever arrives waits here; the next statement takes it all. A request that is
alone goes at once. Under load a commit, the dearest part of a small change, is shared by many.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextvars import Context
from copy import copy
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from premade.base.errors import Busy, DatabaseAway, Unavailable
from premade.base.logs import log

QUEUE_ITEMS_MAX = 2_000
STATEMENT_ITEMS_MAX = 200
STATEMENTS_IN_FLIGHT_MAX = 1

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


Waiting = TypeVar("Waiting")


@dataclass
class _Place(Generic[Waiting]):
    item: Waiting
    claims: AbstractSet[tuple[Any, ...]]
    before: int
    """How many of its claims somebody before it has too."""


class Line(Generic[Waiting]):
    """Who waits for a statement. Those that share a claim are never in one, and go in their order.

    It looks only at whoever can go: thousands that wait for one ticket cost the others nothing.
    """

    def __init__(self) -> None:
        self._first: deque[_Place[Waiting]] = deque()
        self._by_claim: dict[tuple[Any, ...], deque[_Place[Waiting]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: Waiting, claims: AbstractSet[tuple[Any, ...]]) -> None:
        """At its end."""
        place = _Place(item, claims, sum(claim in self._by_claim for claim in claims))
        for claim in claims:
            self._by_claim.setdefault(claim, deque()).append(place)
        if not place.before:
            self._first.append(place)
        self._count += 1

    def take(self) -> list[Waiting]:
        """The next, at most STATEMENT_ITEMS_MAX, no claim twice."""
        taken = [self._first.popleft() for _ in range(min(len(self._first), STATEMENT_ITEMS_MAX))]
        for place in taken:
            for claim in place.claims:
                self._let_next(claim)
        self._count -= len(taken)
        return [place.item for place in taken]

    def _let_next(self, claim: tuple[Any, ...]) -> None:
        those = self._by_claim[claim]
        those.popleft()
        if not those:
            del self._by_claim[claim]
            return
        those[0].before -= 1
        if not those[0].before:
            self._first.append(those[0])


def in_use(what: str = "The ticket") -> Busy:
    """Another request holds it for too long."""
    return Busy(f"{what} is in use by another request; nothing was changed. Try again.")


class Queue(Generic[Asked]):
    """The changes of one kind and one process on their way into the database."""

    def __init__(self, kind: str, run: Callable[[list[Asked]], Awaitable[list[Outcome]]]) -> None:
        """`run` settles many at once and answers an outcome for each, in their order; `kind` names them in the log."""
        self._kind = kind
        self._run = run
        self._waiting: Line[tuple[Asked, asyncio.Future[Outcome | None]]] = Line()
        self._in_flight = 0
        # The event loop itself keeps only weak references.
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcome(self, asked: Asked) -> Outcome | None:
        """What came of it; None when it has to be tried alone. QueueFull, DatabaseAway, Busy.

        It is carried out even when the client goes away meanwhile.
        """
        if len(self._waiting) >= QUEUE_ITEMS_MAX:
            message = f"{QUEUE_ITEMS_MAX} requests are waiting already; nothing was changed."
            raise QueueFull(message)
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._waiting.add((asked, future), asked.claims)
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
                await self._settle(self._waiting.take())
        finally:
            # In the same turn of the loop as the look that found nobody waiting: who comes later starts anew.
            self._in_flight -= 1

    async def _settle(self, batch: list[tuple[Asked, asyncio.Future[Outcome | None]]]) -> None:
        outcomes: list[Outcome | None]
        failure: Exception | None = None
        try:
            outcomes = [*await self._run([asked for asked, _ in batch])]
            _one_each(batch, outcomes)
        except DatabaseAway as away:
            self._refuse_all(batch, away)
            return
        except Exception as error:  # noqa: BLE001  (one bad item must not take its neighbours down: each is tried alone)
            if isinstance(error, Busy) and error.meets_all:
                self._refuse_all(batch, error)
                return
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

    def _refuse_all(
        self, batch: list[tuple[Asked, asyncio.Future[Outcome | None]]], refusal: Unavailable
    ) -> None:
        """Those behind too: each statement would wait anew, and the last for a minute."""
        while batch:
            for _, future in batch:
                if not future.done():
                    # One for each: whoever raises it adds to its traceback.
                    own = copy(refusal)
                    own.__cause__ = refusal.__cause__
                    future.set_exception(own)
            batch = self._waiting.take()


def _one_each(asked: Sequence[Any], outcomes: Sequence[Any]) -> None:
    """Whoever got no outcome would wait for ever."""
    if len(asked) != len(outcomes):
        message = f"{len(outcomes)} outcomes for {len(asked)} requests"
        raise RuntimeError(message)
