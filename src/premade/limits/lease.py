"""A lease: tokens of one bucket that this process has taken for the requests to come.

A request takes a token in memory. Before a lease is empty, the next one is fetched in the background. So a request
waits only if the bucket was empty lately, or if more requests arrive at once than the last lease had tokens for.

A lease is at most a tenth of a bucket and ends after a tenth of the time in which a bucket fills up. Tokens of an ended
lease go back. So all processes together exceed a limit by at most a tenth, however many they are.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from premade.limits.operation_class import OperationClass
from premade.limits.rate_limit import BURST_SECONDS, RateLimit
from premade.runtime.errors import TooMany

LEASE_SECONDS = BURST_SECONDS / 10
"""After this time a lease ends."""
LEASES_OF_A_BUCKET = 10
"""A lease has at most this fraction of a bucket."""
BORROWED_OF_A_BUCKET = 100
"""Before its first lease arrives, a process lets this fraction of a bucket pass, at least one request."""
REFUSED_SECONDS_MIN = 0.1
"""After an empty bucket refused a lease, the process asks again after this time at the earliest."""
FETCH_SECONDS_MAX = 0.5
"""A request does not wait longer for a lease."""
UNKNOWN_SECONDS = 1.0
"""If the database is slow or away, requests pass for this time, and their tokens are spent in advance. If the bucket was
empty at the last lease, they are refused instead."""


@dataclass(eq=False)
class RateLimited(TooMany):
    """The API key has reached its rate limit for this class of operations."""

    code = "RATE_LIMITED"
    published = ("operation_class", "per_minute")

    operation_class: OperationClass
    per_minute: int


class Lease:
    """The tokens of one API key and class of operations in this process."""

    def __init__(
        self,
        key_id: int,
        operation_class: OperationClass,
        limit: RateLimit,
        monotonic_seconds: Callable[[], float],
        fetch: Callable[["Lease"], Coroutine[Any, Any, None]],
    ) -> None:
        """`fetch` calls `settle`, then `receive` or `fail`."""
        self.key_id, self.operation_class, self.limit = key_id, operation_class, limit
        self.capacity = limit.capacity
        self.seconds_per_token = limit.seconds_per_token
        self.size = 1
        """Tokens to request: about those that the process needs until the lease ends."""
        self.has_bucket = False
        """Whether the database has the bucket's row."""
        self._policy = (b"ratelimit-policy", limit.policy(operation_class))
        self._name = operation_class.encode()
        self._monotonic_seconds = monotonic_seconds
        self._fetch = fetch
        self._size_max = max(1, self.capacity // LEASES_OF_A_BUCKET)
        self._borrowed_max = max(1, self.capacity // BORROWED_OF_A_BUCKET)
        self._left = 0
        """Tokens; below zero, those that were spent in advance."""
        self._taken = 0
        """Tokens taken since the last lease arrived."""
        self._ends_at = monotonic_seconds()
        self._fetch_at = 0
        """The next lease is fetched when so many tokens are left."""
        self._was_refused = False
        self._refused_until = -math.inf
        self._open_until = -math.inf
        self._in_bucket, self._seen_at = float(self.capacity), -math.inf
        """Tokens that the bucket had left over, and when."""
        self._running: asyncio.Task[None] | None = None

    def take(self) -> bool:
        """Take a token of the lease. Return False if there is none: then call `wait_and_take`."""
        now = self._monotonic_seconds()
        if self._left <= 0 or now >= self._ends_at:
            return False
        self._left -= 1
        self._taken += 1
        if self._left <= self._fetch_at and now >= self._refused_until:
            self._begin_fetch()
        return True

    async def wait_and_take(self) -> None:
        """Take a token of the next lease, or in advance.

        Raises:
            RateLimited: the bucket is empty.
        """
        while not self.take():
            now = self._monotonic_seconds()
            if now < self._refused_until:
                seconds = math.ceil(self._refused_until - now)
                raise RateLimited(seconds, self.operation_class, self.limit.per_minute)
            if now >= self._open_until:
                running = self._begin_fetch()
                if self._was_refused or self._left <= -self._borrowed_max:
                    await asyncio.wait([running], timeout=FETCH_SECONDS_MAX)
                    if not running.done():
                        self._decide_without_lease()
                    continue
            self._left -= 1
            return

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return RateLimit-Policy and RateLimit: `r` tokens are left; after `t` seconds without requests the bucket is full."""
        refilled = (self._monotonic_seconds() - self._seen_at) / self.seconds_per_token
        left = max(0, int(min(self.capacity, self._left + self._in_bucket + refilled)))
        seconds = math.ceil((self.capacity - left) * self.seconds_per_token)
        return self._policy, (b"ratelimit", b'"%s";r=%d;t=%d' % (self._name, left, seconds))

    @property
    def idle_seconds(self) -> float:
        """Time since the lease ended."""
        return self._monotonic_seconds() - self._ends_at

    @property
    def needs_settlement(self) -> bool:
        """Whether it has ended with tokens to return or to pay, and nobody fetches the next one."""
        return self._left != 0 and self.idle_seconds >= 0 and not self._is_fetching

    def settle(self) -> int:
        """Close the account before a new lease. Return the tokens to spend in the bucket; below zero, those to return."""
        is_used_up = self._left <= 0
        if is_used_up or self.idle_seconds < 0:
            self.size = min(self._size_max, self.size * 2)
        else:
            self.size = max(1, min(self._size_max, self._taken))
        if not is_used_up and self.idle_seconds < 0:
            return 0
        spent, self._left = -self._left, 0
        # Later than this the bucket may be full without the returned tokens, and others would get them too.
        return spent if is_used_up or self.idle_seconds <= LEASE_SECONDS else 0

    def receive(self, granted: int, left_over: float) -> None:
        """Add the tokens of a new lease. `left_over`: tokens in the bucket after it."""
        now = self.note(left_over)
        self._left += granted
        self._taken = 0
        self._fetch_at = granted // 4
        self._was_refused = not granted
        if granted:
            self._ends_at = now + LEASE_SECONDS
        else:
            self._refused_until = now + max(REFUSED_SECONDS_MIN, (1 - left_over) * self.seconds_per_token)

    def note(self, left_over: float) -> float:
        """Note the tokens in the bucket. Return the time."""
        self._in_bucket, self._seen_at = left_over, self._monotonic_seconds()
        return self._seen_at

    def fail(self, spent: int) -> None:
        """Note that the database did not answer. `spent`: the result of `settle`."""
        self._left -= max(spent, 0)
        self._decide_without_lease()

    def _decide_without_lease(self) -> None:
        until = self._monotonic_seconds() + UNKNOWN_SECONDS
        if self._was_refused:
            self._refused_until = until
        else:
            self._open_until = until

    @property
    def _is_fetching(self) -> bool:
        return self._running is not None and not self._running.done()

    def _begin_fetch(self) -> asyncio.Task[None]:
        if self._running is None or self._running.done():
            # An empty context: the task works for all requests of the key, not only for the one that begins it.
            self._running = asyncio.create_task(self._fetch(self), context=Context())
        return self._running
