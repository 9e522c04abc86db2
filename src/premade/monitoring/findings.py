"""What needs attention: the conditions of ops/prometheus/alerts.yml that the database can answer. Pure.

The thresholds are those of that file, and a test compares. Prometheus sends an alert once a condition has lasted; here
it is told as it stands, but for tickets that were generated within that time: they are given it to be sold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from premade.monitoring.figures import Figures, Row, activation_rate, seconds_left

UNUSED_MAX = 1_000
UNUSED_DAYS_MAX = 14
RATE_MIN = 0.02
RATE_UNUSED_MIN = 100
EXPIRING_MAX = 100
EXPIRING_DAYS = 14
STOCK_DAYS_MIN = 7
_DAY_SECONDS = 86_400


class Alert(StrEnum):
    """As the alert of Prometheus is called, and its section in the runbook."""

    STOCK_EXHAUSTED = "PremadeStockExhausted"
    STOCK_RUNS_OUT = "PremadeStockRunsOut"
    TOO_MANY_UNUSED = "PremadeTooManyUnusedTickets"
    LOW_ACTIVATION_RATE = "PremadeLowActivationRate"
    EXPIRE_UNUSED = "PremadeTicketsExpireUnused"


CRITICAL = frozenset({Alert.STOCK_EXHAUSTED})
NOT_SEEN_HERE = {
    "PremadeErrors": "requests that fail are counted by each process for Prometheus",
    "PremadeSlow": "and so is how long they take",
    "PremadeDatabaseAway": "without the database there is no page that could say so",
    "PremadeClocksApart": "each machine has its own clock",
    "PremadeFiguresAway": "nor without its figures",
    "PremadeAway": "nor without the service",
    "PremadeMachineAway": "one machine does not see the others",
    "PremadeWrongDigits": "the overview has its own table of the counts at the gates",
    "PremadeForgedScans": "likewise",
}
"""The other alerts, each with the reason why it is not among what is told here."""


@dataclass(frozen=True)
class Finding:
    """One condition that holds. Either of a partner's tickets, or of a channel's stock."""

    alert: Alert
    product_id: int
    figure: float
    """Tickets; of LOW_ACTIVATION_RATE the rate, of STOCK_RUNS_OUT the days that are left."""
    partner: str | None = None
    partner_id: int | None = None
    channel: str | None = None

    @property
    def is_critical(self) -> bool:
        """Whether it wakes somebody."""
        return self.alert in CRITICAL


def findings(figures: Figures) -> list[Finding]:
    """The most urgent kind first, within it the largest figure."""
    found = [each for row in figures.stock for each in _of_stock(row)]
    for row in figures.tickets:
        generated = figures.generated.get((row["partner_id"], row["product_id"]), {})
        found += _of_tickets(row, generated.get("last_hour", 0), generated.get("last_day", 0))
    kinds = list(Alert)
    return sorted(found, key=lambda each: (kinds.index(each.alert), -each.figure, each.product_id))


def _of_stock(row: Row) -> Iterator[Finding]:
    seconds = seconds_left(row)
    if seconds is None:
        return
    if row["available"] == 0:
        yield Finding(Alert.STOCK_EXHAUSTED, row["product_id"], 0, channel=row["channel"])
    elif row["available"] > 0 and seconds < STOCK_DAYS_MIN * _DAY_SECONDS:
        days = seconds / _DAY_SECONDS
        yield Finding(Alert.STOCK_RUNS_OUT, row["product_id"], days, channel=row["channel"])


def _of_tickets(row: Row, generated_last_hour: int, generated_last_day: int) -> Iterator[Finding]:
    whose = (row["product_id"], row["partner"], row["partner_id"])
    activated, expiring = row["activated"], row["expiring"]
    settled = row["unused"] - generated_last_hour
    if settled > UNUSED_MAX and settled > UNUSED_DAYS_MAX * activated:
        yield _finding(Alert.TOO_MANY_UNUSED, row["unused"], *whose)
    settled = max(row["unused"] - generated_last_day, 0)
    rate = activation_rate(settled, activated)
    if rate is not None and rate < RATE_MIN and settled >= RATE_UNUSED_MIN:
        yield _finding(Alert.LOW_ACTIVATION_RATE, rate, *whose)
    if expiring > EXPIRING_MAX and expiring > EXPIRING_DAYS * activated:
        yield _finding(Alert.EXPIRE_UNUSED, expiring, *whose)


def _finding(alert: Alert, figure: float, product_id: int, partner: str, partner_id: int) -> Finding:
    return Finding(alert, product_id, figure, partner=partner, partner_id=partner_id)
