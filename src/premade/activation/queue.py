"""The micro-batch: while one statement is in flight, arriving activations wait; the next one takes them all.

A lone request goes at once. Under load a commit, the dearest part of an activation, is shared by many.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

from premade.activation.activation import Activation
from premade.base.errors import DatabaseAway, Unavailable
from premade.base.logs import log

QUEUE_ACTIVATIONS_MAX = 2_000
STATEMENT_ACTIVATIONS_MAX = 200
STATEMENTS_IN_FLIGHT_MAX = 1

Outcome = dict[str, Any]
Run = Callable[[list[Activation]], Awaitable[list[Outcome]]]
_Waiting = tuple[Activation, "asyncio.Future[Outcome | None]"]


class QueueFull(Unavailable):
    """More activations are waiting than the service takes on. Nothing was changed."""

    code = "QUEUE_FULL"
    title = "Too many activations are waiting"
    remedy = "Try again after Retry-After seconds, with the same Idempotency-Key."


class ActivationQueue:
    """Activations of one process on their way into the database."""

    def __init__(self, run: Run) -> None:
        """`run` settles many at once and answers an outcome for each, in their order."""
        self._run = run
        self._waiting: deque[_Waiting] = deque()
        self._in_flight = 0
        # The event loop itself keeps only weak references.
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcome(self, asked: Activation) -> Outcome | None:
        """What came of it; None when it has to be tried alone. QueueFull, DatabaseAway.

        It is carried out even when the client goes away meanwhile.
        """
        if len(self._waiting) >= QUEUE_ACTIVATIONS_MAX:
            message = f"{QUEUE_ACTIVATIONS_MAX} activations are waiting already; nothing was changed."
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

    def _next(self) -> list[_Waiting]:
        """The next that may share a statement: no ticket and no Idempotency-Key twice."""
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        seen: set[tuple[int, str, str]] = set()
        while self._waiting and len(batch) < STATEMENT_ACTIVATIONS_MAX:
            item = self._waiting.popleft()
            claims = item[0].claims
            if seen.isdisjoint(claims):
                seen |= claims
                batch.append(item)
            else:
                later.append(item)
        self._waiting.extendleft(reversed(later))
        return batch

    async def _settle(self, batch: list[_Waiting]) -> None:
        outcomes: list[Outcome | None]
        try:
            outcomes = [*await self._run([asked for asked, _ in batch])]
        except DatabaseAway as away:
            # Those behind too: each statement would wait for the database anew, and the last for a minute.
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(away)
            self._waiting.clear()
            return
        except Exception as error:  # noqa: BLE001  (one bad item must not take its neighbours down: each is tried alone)
            log.warning(
                "activation.statement_failed",
                reason=type(error).__name__,
                request_ids=[asked.request_id for asked, _ in batch],
            )
            outcomes = [None] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)
