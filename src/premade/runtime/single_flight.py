"""A cache that fetches a value once for all requests that wait for it."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class _Fetch(Generic[Value]):
    began_at: float
    result: asyncio.Future[Value]

    @property
    def has_failed(self) -> bool:
        return self.result.cancelled() or self.result.exception() is not None


class SingleFlightCache(Generic[Key, Value]):
    """Values by key. Callers that need the same value at the same time share one fetch. An error is not cached."""

    def __init__(
        self,
        fetch: Callable[[Key], Coroutine[Any, Any, Value]],
        monotonic_seconds: Callable[[], float],
        *,
        entries_max: int = 1,
        join_seconds_max: float = math.inf,
    ) -> None:
        """`join_seconds_max`: a fetch in progress that is older is not joined; the caller begins another.

        `entries_max`: a further key first removes all entries.
        """
        self._fetch = fetch
        self._monotonic_seconds = monotonic_seconds
        self._entries_max = entries_max
        self._join_seconds_max = join_seconds_max
        self._fetches: dict[Key, _Fetch[Value]] = {}

    def __contains__(self, key: Key) -> bool:
        """Return whether a value was put or a fetch began, however long ago."""
        return key in self._fetches

    def peek(self, key: Key) -> Value | None:
        """Return the value, however old; None if there is none, or it is being fetched."""
        fetch = self._fetches.get(key)
        return None if fetch is None or not fetch.result.done() or fetch.has_failed else fetch.result.result()

    def put(self, key: Key, value: Value, began_at: float) -> None:
        """Store a value that the caller fetched itself. `began_at`: start of that fetch, by the same clock."""
        result: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        result.set_result(value)
        self._store(key, _Fetch(began_at, result))

    async def get(self, key: Key, age_seconds_max: float) -> Value:
        """Return the value. It is fetched again if the last fetch began `age_seconds_max` ago, or failed."""
        now, fetch = self._monotonic_seconds(), self._fetches.get(key)
        if fetch is None or not self._is_usable(fetch, now - fetch.began_at, age_seconds_max):
            fetch = self._begin(key)
        # A client that goes away must not cancel the fetch that others wait for.
        return await asyncio.shield(fetch.result)

    async def get_fresh(self, key: Key) -> Value:
        """Return the value of a fetch that begins after this call.

        Fetches of one key run one after the other. All callers that wait for one to end share the next.
        """
        earlier = self._fetches.get(key)
        if earlier is not None and not earlier.result.done():
            # asyncio.wait, because an error of this fetch concerns only its own callers.
            await asyncio.wait([earlier.result])
        fetch = self._fetches.get(key)
        if fetch is None or fetch is earlier:
            fetch = self._begin(key)
        return await asyncio.shield(fetch.result)

    def ensure_running(self, key: Key) -> None:
        """Begin a fetch unless one is running, and wait for neither."""
        fetch = self._fetches.get(key)
        if fetch is None or fetch.result.done():
            self._begin(key)

    def _begin(self, key: Key) -> _Fetch[Value]:
        # A context of its own: the fetch works for all callers, not only for the request that began it.
        task = asyncio.create_task(self._fetch(key), context=Context())
        fetch = _Fetch[Value](self._monotonic_seconds(), task)
        self._store(key, fetch)
        return fetch

    def _is_usable(self, fetch: _Fetch[Value], age_seconds: float, age_seconds_max: float) -> bool:
        if not fetch.result.done():
            return age_seconds < self._join_seconds_max
        return age_seconds < age_seconds_max and not fetch.has_failed

    def _store(self, key: Key, fetch: _Fetch[Value]) -> None:
        if key not in self._fetches and len(self._fetches) >= self._entries_max:
            self._fetches.clear()
        self._fetches[key] = fetch
