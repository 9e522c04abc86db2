"""Start few requests in one turn of the event loop, so that those that have started go on in between.

A request that reads the database goes on in several turns of the event loop. If a thousand requests start in the same turn,
each of its turns takes as long as the start of a thousand requests (ADR 59).
"""

import asyncio
from collections.abc import Callable, Hashable

from premade.runtime.errors import Busy
from premade.runtime.slots import RoundRobin

STARTS_AT_ONCE_MAX = 4
WAIT_SECONDS_MAX = 0.5
"""A request that has waited for longer is refused. It is refused in its turn: refusals take time too, and their clients come
back at once."""
_WAITING_MAX = 1_000_000
"""More than the connections of a worker, which bound it."""


class Starts:
    """Requests that wait for their start. Their owners take turns."""

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._turns = RoundRobin(
            STARTS_AT_ONCE_MAX, _WAITING_MAX, lambda: Busy("starts"), of_one_max=STARTS_AT_ONCE_MAX
        )

    async def wait(self, owner: Hashable) -> None:
        """Wait until a request of this owner may start. Raises Busy if it has waited for too long."""
        if self._turns.take(owner):
            self._end_soon(owner)
            return
        arrived_at = self._monotonic_seconds()
        await self._turns.wait(owner)
        self._end_soon(owner)
        if self._monotonic_seconds() - arrived_at > WAIT_SECONDS_MAX:
            raise Busy("starts")

    def _end_soon(self, owner: Hashable) -> None:
        # In the next turn of the event loop others may start.
        asyncio.get_running_loop().call_soon(self._turns.end, owner)
