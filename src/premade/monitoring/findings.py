"""What needs attention: the conditions of ops/prometheus/alerts.yml that the database can answer. Pure.

The thresholds are those of that file, and a test compares. Prometheus sends an alert once a condition has lasted; here
it is told as it stands, but tickets that were generated within that time do not count: they are given it to be sold.
"""

from dataclasses import replace

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Finding
from premade.monitoring.finding_kinds.expire_unused import EXPIRE_UNUSED
from premade.monitoring.finding_kinds.low_activation_rate import LOW_ACTIVATION_RATE
from premade.monitoring.finding_kinds.stock_exhausted import STOCK_EXHAUSTED
from premade.monitoring.finding_kinds.stock_runs_out import STOCK_RUNS_OUT
from premade.monitoring.finding_kinds.too_many_unused import TOO_MANY_UNUSED

KINDS = (STOCK_EXHAUSTED, STOCK_RUNS_OUT, TOO_MANY_UNUSED, LOW_ACTIVATION_RATE, EXPIRE_UNUSED)
"""The most urgent first."""
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


def findings(figures: Figures) -> list[Finding]:
    """Return what needs attention now: the most urgent kind first, within it the largest figure."""
    return [
        replace(found, is_critical=kind.is_critical)
        for kind in KINDS
        for found in sorted(kind.find(figures), key=lambda each: (-each.figure, each.product_id))
    ]
