"""A rate limit as a token bucket: a rate in the long run, and a burst. Pure."""

import math
from dataclasses import dataclass

BURST_SECONDS = 10
"""A full bucket has the tokens of this time."""
SECONDS_OF_A_MINUTE = 60


@dataclass(frozen=True)
class RateLimit:
    """At most `per_minute` requests a minute in the long run, and `capacity` at once."""

    per_minute: int

    @property
    def capacity(self) -> int:
        """Tokens in a full bucket."""
        return max(1, self.per_minute * BURST_SECONDS // SECONDS_OF_A_MINUTE)

    @property
    def seconds_per_token(self) -> float:
        """Time after which an empty bucket has one token."""
        return SECONDS_OF_A_MINUTE / self.per_minute

    @property
    def full_seconds(self) -> float:
        """Time after which an empty bucket is full."""
        return self.capacity * self.seconds_per_token

    def policy(self, name: str) -> bytes:
        """Return the value of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): quota `q` in a window of `w` seconds.

        A client that sends no more than `q` requests in any `w` seconds is never refused.
        """
        return b'"%s";q=%d;w=%d' % (name.encode(), self.capacity, math.ceil(self.full_seconds))
