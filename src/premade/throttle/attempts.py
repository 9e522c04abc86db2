"""Attempts: at most a number of guesses on one subject within a window of time, such as passwords for one name.

The database keeps the counts, so that all processes share them and a restart keeps them. An attempt is counted before
the guess is checked: concurrent guesses never pass more often than the limit. A right guess is taken back.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.database import Database, Transaction
from premade.runtime.background import AT_ONCE, Turn
from premade.runtime.clock import Runtime
from premade.throttle import attempts_sql as sql

SWEEP_EVERY_SECONDS = 30.0
SWEPT_AT_ONCE_MAX = 1_000


@dataclass(frozen=True)
class AttemptLimit:
    """At most `attempts_max` attempts on one subject within a window.

    The first attempt begins the window. `kind` is one word; subjects of two kinds never share a count.
    """

    kind: str
    attempts_max: int
    window_seconds: int


@dataclass(frozen=True)
class CountedSubject:
    """Subject of a count of attempts: a text, such as a name or an address, under a limit."""

    limit: AttemptLimit
    text: str

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 that the database keeps in place of the text. People type passwords in place of names."""
        return hashlib.sha256(f"{self.limit.kind} {self.text}".encode(errors="surrogatepass")).digest()


@dataclass(frozen=True)
class AttemptCount:
    """The attempts on one subject in its current window, with the one just counted."""

    subject: CountedSubject
    attempts: int
    ends_at: datetime
    """End of the window. It tells the window from later ones of the subject."""
    seconds_left: int
    """Until the window ends; at least 1."""

    @property
    def is_over(self) -> bool:
        """Return whether the last attempt is one too many."""
        return self.attempts > self.subject.limit.attempts_max

    @property
    def is_first_over(self) -> bool:
        """Return whether the last attempt is the first of its window that is one too many."""
        return self.attempts == self.subject.limit.attempts_max + 1


async def count_attempts(
    tx: Transaction, now: datetime, subjects: Sequence[CountedSubject]
) -> list[AttemptCount]:
    """Count one attempt on each subject, and return the counts in the order of `subjects`.

    Their rows stay locked until the transaction ends. A rollback takes the attempts back.
    """
    rows = await tx.fetch_all(
        sql.count_attempts,
        now=now,
        subjects=[subject.digest for subject in subjects],
        lengths=[timedelta(seconds=subject.limit.window_seconds) for subject in subjects],
    )
    row_of = {row.subject: row for row in rows}
    return [_count(subject, row_of[subject.digest], now) for subject in subjects]


def _count(subject: CountedSubject, row: sql.AttemptsRow, now: datetime) -> AttemptCount:
    seconds_left = max(1, math.ceil((row.ends_at - now).total_seconds()))
    return AttemptCount(subject, row.attempts, row.ends_at, seconds_left)


async def take_back(tx: Transaction, counts: Sequence[AttemptCount]) -> None:
    """Take one attempt back from each count, because its guess was right. A later window of the subject stays unchanged."""
    await tx.execute(
        sql.take_back,
        subjects=[count.subject.digest for count in counts],
        ends=[count.ends_at for count in counts],
    )


def sweep_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task that deletes ended windows.

    It has a transaction of its own and skips locked rows, so that it never waits for those who count.
    """

    async def turn() -> float:
        async with database.single_statement() as tx:
            swept = await tx.fetch_one(sql.sweep, now=runtime.now(), rows_max=SWEPT_AT_ONCE_MAX)
        return AT_ONCE if swept == SWEPT_AT_ONCE_MAX else SWEEP_EVERY_SECONDS

    return turn
