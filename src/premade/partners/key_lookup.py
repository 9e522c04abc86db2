"""API keys that a process has not cached, and addresses that send too many wrong keys.

All waiting uncached keys are looked up with one query, so that a flood of them costs the database a few queries a second.
The single-flight cache has one fetch for each key, so it cannot do this.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from premade.runtime.errors import Busy, TooMany

Key = TypeVar("Key")

PAUSE_SECONDS = 0.05
"""Pause after a look-up with wrong keys; the next uncached key waits this long."""
WAITING_MAX = 1_000
"""Maximum number of keys that wait for one look-up."""
WRONG_KEPT_SECONDS = 1.0
"""How long a wrong key is remembered."""
WRONG_KEPT_MAX = 10_000
WRONG_WINDOW_SECONDS = 60.0
WRONG_KEYS_MAX = 600
"""Wrong keys from one address, in one window and process. Only wrong keys are counted, and only they are refused."""
ADDRESSES_MAX = 10_000


@dataclass(eq=False)
class TooManyWrongKeys(TooMany):
    """Too many wrong API keys came from this address."""

    code = "TOO_MANY_WRONG_KEYS"

    wrong_max: int


class KeyLookup(Generic[Key]):
    """Look up uncached keys by their prefixes, in batches."""

    def __init__(
        self,
        fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, Key]]],
        monotonic_seconds: Callable[[], float],
    ) -> None:
        """`fetch` returns the keys with these prefixes from the database."""
        self._fetch = fetch
        self._monotonic_seconds = monotonic_seconds
        self._waiting: dict[str, asyncio.Future[Key | None]] = {}
        self._running: asyncio.Task[None] | None = None
        self._wrong: dict[str, float] = {}

    async def find(self, prefix: str) -> Key | None:
        """Return the key, or None if there is none.

        Raises:
            Busy: WAITING_MAX keys are waiting, or no connection was free in time.
            DatabaseAway: the database does not answer.
        """
        if self._monotonic_seconds() - self._wrong.get(prefix, -math.inf) < WRONG_KEPT_SECONDS:
            return None
        waiter = self._waiting.get(prefix)
        if waiter is None:
            if len(self._waiting) >= WAITING_MAX:
                raise Busy("key_lookups")
            waiter = self._waiting[prefix] = asyncio.get_running_loop().create_future()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._look_up_all(), context=Context())
        # A client that goes away must not cancel the look-up of the others.
        return await asyncio.shield(waiter)

    async def _look_up_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            if await self._look_up(batch):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _look_up(self, batch: dict[str, asyncio.Future[Key | None]]) -> bool:
        """Look the keys up, and return whether some were wrong."""
        try:
            keys = await self._fetch(list(batch))
        except Exception as error:  # noqa: BLE001  (it is the result of all who wait)
            for waiter in batch.values():
                waiter.set_exception(error)
            return False
        except asyncio.CancelledError:
            for waiter in batch.values():
                waiter.cancel()
            raise
        for prefix, waiter in batch.items():
            if prefix not in keys:
                self._remember_wrong(prefix)
            waiter.set_result(keys.get(prefix))
        return len(keys) < len(batch)

    def _remember_wrong(self, prefix: str) -> None:
        if len(self._wrong) >= WRONG_KEPT_MAX:
            self._wrong.clear()
        self._wrong[prefix] = self._monotonic_seconds()


class WrongKeys:
    """Count the wrong keys of each address within a span."""

    def __init__(self, monotonic_seconds: Callable[[], float]) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._counted: dict[str, tuple[float, int]] = {}

    def note(self, address: str) -> None:
        """Count one wrong key. Raises TooManyWrongKeys beyond WRONG_KEYS_MAX."""
        now = self._monotonic_seconds()
        began_at, count = self._counted.get(address, (now, 0))
        if now - began_at >= WRONG_WINDOW_SECONDS:
            began_at, count = now, 0
        if address not in self._counted and len(self._counted) >= ADDRESSES_MAX:
            self._counted.clear()
        self._counted[address] = (began_at, count + 1)
        if count >= WRONG_KEYS_MAX:
            raise TooManyWrongKeys(math.ceil(began_at + WRONG_WINDOW_SECONDS - now), WRONG_KEYS_MAX)
