"""The figures of the benchmark: name, minimum, aim and measurements."""

import statistics
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Figure:
    """One figure, measured several times. `must`: the required value; `aim`: a better one."""

    name: str
    must: float | None
    aim: float | None
    better: Literal["higher", "lower"] = "higher"
    measured: list[float] = field(default_factory=list[float])

    def add(self, value: float) -> None:
        """Add a measurement."""
        self.measured.append(value)

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.measured)

    @property
    def low(self) -> float:
        """The lowest measurement."""
        return min(self.measured)

    @property
    def high(self) -> float:
        """The highest measurement."""
        return max(self.measured)

    def reaches(self, limit: float | None) -> bool:
        """Return whether the median reaches the limit. None is always reached."""
        if limit is None:
            return True
        return self.value >= limit if self.better == "higher" else self.value <= limit

    @property
    def verdict(self) -> str:
        """Which limit is reached, in a word."""
        if self.must is None:
            return ""
        if not self.reaches(self.must):
            return "**missed**"
        return "aim" if self.reaches(self.aim) else "must"


@dataclass
class Figures:
    """All figures, in the order of the table."""

    five: Figure = field(
        default_factory=lambda: Figure("activations/s over HTTP ÷ pgbench in 5 statements", 1.5, 2.2)
    )
    cte: Figure = field(
        default_factory=lambda: Figure("activations/s over HTTP ÷ pgbench in one CTE", 0.6, 1.0)
    )
    five_best: Figure = field(
        default_factory=lambda: Figure("the same ÷ 5 statements, pgbench with 16 clients", None, None)
    )
    cte_best: Figure = field(
        default_factory=lambda: Figure("the same ÷ one CTE, pgbench with 16 clients", None, None)
    )
    redeem: Figure = field(
        default_factory=lambda: Figure("redemptions/s over HTTP ÷ pgbench in one statement", 0.6, 1.0)
    )
    p99: Figure = field(default_factory=lambda: Figure("p99 of these activations, ms", 80, 40, "lower"))
    one_client: Figure = field(
        default_factory=lambda: Figure("one client: p50 ÷ p50 of pgbench in one CTE", 4, 2.5, "lower")
    )
    generate: Figure = field(
        default_factory=lambda: Figure("tickets/s by bulk-generate of 100", 6_000, 12_000)
    )
    generate_cpu: Figure = field(
        default_factory=lambda: Figure("server CPU ms per bulk-generate of 100", 22, 12, "lower")
    )
    activate_large: Figure = field(
        default_factory=lambda: Figure("activations/s with 10 million tickets ÷ with 10 thousand", 0.85, 0.95)
    )
    activate_large_at_first: Figure = field(
        default_factory=lambda: Figure("the same, in the second after a checkpoint", None, None)
    )
    activate_anywhere: Figure = field(
        default_factory=lambda: Figure("the same, of tickets anywhere among the 10 million", None, None)
    )
    generate_large: Figure = field(
        default_factory=lambda: Figure(
            "bulk-generates/s with 10 million tickets ÷ with 10 thousand", 0.85, 0.95
        )
    )
    page: Figure = field(
        default_factory=lambda: Figure(
            "a page of 100 tickets anywhere among 10 million, p50 in ms", 10, 5, "lower"
        )
    )
    paint: Figure = field(
        default_factory=lambda: Figure(
            "slowest page of the console with 10 million tickets, first paint in ms", 200, 100, "lower"
        )
    )
    refusals: Figure = field(default_factory=lambda: Figure("409 and 404 answers/s ÷ 200s/s", 1.0, 1.5))
    memory: Figure = field(
        default_factory=lambda: Figure("resident memory of a worker, MiB", 150, 100, "lower")
    )
    scrape: Figure = field(
        default_factory=lambda: Figure("scrape of the metrics with 10 million tickets, ms", 300, 100, "lower")
    )
    http: Figure = field(default_factory=lambda: Figure("activations/s over HTTP", None, None))
    activate_cpu: Figure = field(
        default_factory=lambda: Figure("server CPU µs per activation", None, None, "lower")
    )
    redemptions: Figure = field(default_factory=lambda: Figure("redemptions/s over HTTP", None, None))
    redeem_p99: Figure = field(
        default_factory=lambda: Figure("p99 of these redemptions, ms", None, None, "lower")
    )
    pgbench_five: Figure = field(
        default_factory=lambda: Figure("activations/s by pgbench in 5 statements", None, None)
    )
    pgbench_cte: Figure = field(
        default_factory=lambda: Figure("activations/s by pgbench in one CTE", None, None)
    )
    one_p50: Figure = field(
        default_factory=lambda: Figure("one client: p50 of an activation, ms", None, None, "lower")
    )

    def measured(self) -> list[Figure]:
        """Return the figures that were measured."""
        return [figure for figure in vars(self).values() if figure.measured]
