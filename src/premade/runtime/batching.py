"""Micro-batching: requests of one kind that arrive together are executed by one statement.

While a statement is in flight, new requests wait in a bounded queue; the next statement takes them all. A single request
is executed at once. Under load many requests share one commit, the most expensive part of a small change.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from collections.abc import Set as AbstractSet
from contextvars import Context
from copy import copy
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from premade.runtime.errors import Busy, DatabaseAway, Unavailable
from premade.runtime.logging import log
from premade.runtime.slots import may_wait

QUEUE_ITEMS_MAX = 2_000
"""Requests that wait. One partner has at most as many as there are free places (`may_wait`)."""
STATEMENT_ITEMS_MAX = 200
STATEMENTS_IN_FLIGHT_MAX = 1


class Item(Protocol):
    """A request that can be batched."""

    @property
    def request_id(self) -> str:
        """The id of the request, for the log."""
        ...

    @property
    def claims(self) -> AbstractSet[tuple[Any, ...]]:
        """Keys that no two requests of one statement may share, such as the ticket."""
        ...


Request = TypeVar("Request", bound=Item)
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class QueueFull(Unavailable):
    """The queue is full."""

    code = "QUEUE_FULL"

    waiting_max: int


Waiting = TypeVar("Waiting")


@dataclass
class _Place(Generic[Waiting]):
    item: Waiting
    claims: AbstractSet[tuple[Any, ...]]
    blocked_claims: int
    """Number of its claims that an earlier item in the queue also has. The item is ready at 0."""


def _one_group(_: object) -> None:
    return None


class ClaimQueue(Generic[Waiting]):
    """A queue in which items that share a claim are taken one after the other, in their order.

    `take` looks only at items that are ready. Thousands of items that wait for one ticket do not slow down the others.
    """

    def __init__(
        self, group_of: Callable[[Waiting], Hashable] = _one_group, *, mixes_groups: bool = True
    ) -> None:
        """`group_of` returns the group of an item. `mixes_groups`: `take` returns as many items of each group as possible.
        Otherwise it returns items of one group only, and the groups take turns.
        """
        self._group_of = group_of
        self._mixes_groups = mixes_groups
        self._count_of = Counter[Hashable]()
        # Items that share no claim with an earlier item, by group. The first group has the next turn.
        self._ready: OrderedDict[Hashable, deque[_Place[Waiting]]] = OrderedDict()
        self._by_claim: dict[tuple[Any, ...], deque[_Place[Waiting]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def may_add(self, item: Waiting) -> bool:
        """Return whether the queue has room for the item, and its group has not more than its share."""
        return may_wait(self._count_of[self._group_of(item)], self._count, QUEUE_ITEMS_MAX)

    def add(self, item: Waiting, claims: AbstractSet[tuple[Any, ...]]) -> None:
        """Append the item."""
        place = _Place(item, claims, sum(claim in self._by_claim for claim in claims))
        for claim in claims:
            self._by_claim.setdefault(claim, deque()).append(place)
        if not place.blocked_claims:
            self._make_ready(place)
        self._count += 1
        self._count_of[self._group_of(item)] += 1

    def take(self) -> list[Waiting]:
        """Remove and return the next ready items, at most STATEMENT_ITEMS_MAX. No two of them share a claim."""
        taken: list[_Place[Waiting]] = []
        if self._ready:
            self._take_of_next(STATEMENT_ITEMS_MAX if not self._mixes_groups else self._share(0), taken)
        while self._mixes_groups and self._ready and len(taken) < STATEMENT_ITEMS_MAX:
            self._take_of_next(self._share(len(taken)), taken)
        for place in taken:
            for claim in place.claims:
                self._advance(claim)
        self._count -= len(taken)
        return [place.item for place in taken]

    def _share(self, taken: int) -> int:
        return max(1, (STATEMENT_ITEMS_MAX - taken) // len(self._ready))

    def _take_of_next(self, items_max: int, taken: list[_Place[Waiting]]) -> None:
        """Move up to `items_max` items of the next group into `taken`."""
        group, ready = self._ready.popitem(last=False)
        count = min(len(ready), items_max)
        taken += [ready.popleft() for _ in range(count)]
        if count == self._count_of[group]:
            del self._count_of[group]
        else:
            self._count_of[group] -= count
        if ready:
            # Put the group at the end, so that every other group has a turn before the rest of this one.
            self._ready[group] = ready

    def _make_ready(self, place: _Place[Waiting]) -> None:
        self._ready.setdefault(self._group_of(place.item), deque()).append(place)

    def _advance(self, claim: tuple[Any, ...]) -> None:
        places = self._by_claim[claim]
        places.popleft()
        if not places:
            del self._by_claim[claim]
            return
        places[0].blocked_claims -= 1
        if not places[0].blocked_claims:
            self._make_ready(places[0])


class MicroBatcher(Generic[Request, Outcome]):
    """Execute the requests of one kind in this process, as many as possible with one statement."""

    def __init__(
        self,
        kind: str,
        run: Callable[[list[Request]], Awaitable[list[Outcome]]],
        partner_of: Callable[[Request], Hashable] = _one_group,
        *,
        mixes_partners: bool = True,
    ) -> None:
        """`run` executes several requests and returns one outcome for each, in their order. `kind` is the name for the log.

        `partner_of` returns the partner of a request. Each statement takes fairly from all partners. Without
        `mixes_partners`, a statement has requests of one partner only.
        """
        self._kind = kind
        self._run = run
        self._waiting = ClaimQueue[tuple[Request, asyncio.Future[Outcome | None]]](
            lambda waiting: partner_of(waiting[0]), mixes_groups=mixes_partners
        )
        self._in_flight = 0
        # The event loop keeps only weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcome(self, request: Request) -> Outcome | None:
        """Return the outcome of the request, or None if the caller must execute it alone.

        The request is executed even if its client disconnects.

        Raises:
            QueueFull: too many requests of the partner are waiting, or of all.
            DatabaseAway: the database does not answer.
            Busy: no connection was free in time.
        """
        future: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        if not self._waiting.may_add((request, future)):
            raise QueueFull(len(self._waiting))
        self._waiting.add((request, future), request.claims)
        if self._in_flight < STATEMENTS_IN_FLIGHT_MAX:
            self._in_flight += 1
            # An empty context: the log lines of this task are about several requests, not about the one that starts it.
            task = asyncio.create_task(self._work(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._execute(self._waiting.take())
        finally:
            # In the same turn of the event loop as the check that found the queue empty, so no request is forgotten.
            self._in_flight -= 1

    async def _execute(self, batch: list[tuple[Request, asyncio.Future[Outcome | None]]]) -> None:
        outcomes: list[Outcome | None]
        failure: Exception | None = None
        try:
            outcomes = [*await self._run([request for request, _ in batch])]
            _require_one_each(batch, outcomes)
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
            # Log last: a failing log handler must not leave requests waiting.
            log.warning(
                f"{self._kind}.statement_failed",
                reason=type(failure).__name__,
                request_ids=[request.request_id for request, _ in batch],
            )

    def _refuse_all(
        self, batch: list[tuple[Request, asyncio.Future[Outcome | None]]], refusal: Unavailable
    ) -> None:
        """Refuse these requests and all that wait. Otherwise each statement would wait again, the last one for a minute."""
        while batch:
            for _, future in batch:
                if not future.done():
                    # A copy for each request: raising an exception adds to its traceback.
                    refusal_of_request = copy(refusal)
                    refusal_of_request.__cause__ = refusal.__cause__
                    future.set_exception(refusal_of_request)
            batch = self._waiting.take()


def _require_one_each(requests: Sequence[Any], outcomes: Sequence[Any]) -> None:
    """Raise RuntimeError unless there is one outcome for each request: a request without one would wait for ever."""
    if len(requests) != len(outcomes):
        message = f"{len(outcomes)} outcomes for {len(requests)} requests"
        raise RuntimeError(message)
