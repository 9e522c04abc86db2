"""Figures of a run: seconds without service by kind of fault, and what the checker found."""

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

from torture.journal import Exchange
from torture.rules import Discrepancy


@dataclass(frozen=True)
class Round:
    """One fault. Times are Unix times, in seconds."""

    fault: str
    node: str
    began_at: float
    repaired_at: float
    healthy_at: float
    """When all nodes followed the primary again."""
    rewinds: int
    """Runs of pg_rewind since `began_at`."""
    copies: int
    """New copies of the primary since `began_at`."""


@dataclass(frozen=True)
class Kind:
    """Figures of one kind of fault. Seconds."""

    rounds: int
    gap_median: float
    gap_max: float
    """The longest time without any answered write."""
    gap_at_return_max: float
    """The same after the repair."""
    healthy_after_median: float
    """From the repair until all nodes followed the primary."""
    rewinds: int
    copies: int


@dataclass(frozen=True)
class Summary:
    """Result of a run."""

    seed: int
    requests: int
    successes: int
    per_second: float
    """Answered writes in a second, faults included."""
    retried: int
    """Requests that needed more than one attempt."""
    responses: dict[str, int]
    """Attempts by status; `lost`: no response."""
    kinds: dict[str, Kind]
    found: dict[str, int]
    """Number of discrepancies by rule."""
    discrepancies: list[str]

    def text(self) -> str:
        """Return the table for people."""
        lines = [
            "| fault | rounds | without service, median | max | at its return | pg_rewind | new copy |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {kind.rounds} | {kind.gap_median:.1f} s | {kind.gap_max:.1f} s |"
            f" {kind.gap_at_return_max:.1f} s | {kind.rewinds} | {kind.copies} |"
            for name, kind in self.kinds.items()
        ]
        lines.append(
            f"{self.requests} requests, {self.successes} executed ({self.per_second:.0f} a second), {self.retried} retried,"
            f" attempts {self.responses}, broken rules: {self.found or 'none'}"
        )
        return "\n".join([*lines, *self.discrepancies[:20]])


def summary(
    seed: int, rounds: list[Round], exchanges: list[Exchange], discrepancies: list[Discrepancy]
) -> Summary:
    """Compute the figures."""
    answered = sorted(exchange.success.ended_at for exchange in exchanges if exchange.success)
    by_fault: dict[str, list[Round]] = defaultdict(list)
    for each in rounds:
        by_fault[each.fault].append(each)
    responses = Counter(
        str(response.status or "lost") for exchange in exchanges for response in exchange.responses
    )
    return Summary(
        seed,
        len(exchanges),
        len(answered),
        len(answered) / max(1.0, answered[-1] - answered[0]) if answered else 0.0,
        sum(len(exchange.responses) > 1 for exchange in exchanges),
        dict(sorted(responses.items())),
        {fault: _kind(several, answered) for fault, several in sorted(by_fault.items())},
        dict(Counter(discrepancy.rule for discrepancy in discrepancies)),
        [str(discrepancy) for discrepancy in discrepancies],
    )


def _kind(rounds: list[Round], answered: list[float]) -> Kind:
    gaps = [longest_gap(answered, each.began_at, each.repaired_at) for each in rounds]
    return Kind(
        len(rounds),
        statistics.median(gaps),
        max(gaps),
        max(longest_gap(answered, each.repaired_at, each.healthy_at) for each in rounds),
        statistics.median(each.healthy_at - each.repaired_at for each in rounds),
        sum(each.rewinds for each in rounds),
        sum(each.copies for each in rounds),
    )


def longest_gap(answered: list[float], begin: float, end: float) -> float:
    """Return the longest time without an answered write that began between `begin` and `end`, in seconds.

    `answered`: times of answered writes, ascending.
    """
    first, last = bisect_left(answered, begin), bisect_left(answered, end)
    times = [begin, *answered[first : last + 1]]
    return max((after - before for before, after in pairwise(times)), default=end - begin)
