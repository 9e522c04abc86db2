"""Findings: the conditions of ops/prometheus/alerts.yml that the database can answer. Pure.

The thresholds are those of that file, and a test compares them. Prometheus sends an alert after a condition has lasted
for a time. A finding shows the condition at once, but does not count tickets generated within that time.
"""

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Finding
from premade.monitoring.finding_kinds.expire_unused import EXPIRE_UNUSED
from premade.monitoring.finding_kinds.low_activation_rate import LOW_ACTIVATION_RATE
from premade.monitoring.finding_kinds.many_refusals import MANY_REFUSALS
from premade.monitoring.finding_kinds.stock_exhausted import STOCK_EXHAUSTED
from premade.monitoring.finding_kinds.stock_runs_out import STOCK_RUNS_OUT
from premade.monitoring.finding_kinds.too_many_unused import TOO_MANY_UNUSED

KINDS = (STOCK_EXHAUSTED, STOCK_RUNS_OUT, TOO_MANY_UNUSED, LOW_ACTIVATION_RATE, EXPIRE_UNUSED, MANY_REFUSALS)
"""The most urgent first."""
NOT_SEEN_HERE = {
    "PremadeErrors": "each process counts failed requests for Prometheus",
    "PremadeSlow": "each process measures its requests for Prometheus",
    "PremadeDatabaseAway": "without the database there is no page",
    "PremadeClocksApart": "each machine has its own clock",
    "PremadeFiguresAway": "without the figures there is no page",
    "PremadeAway": "without the service there is no page",
    "PremadeMachineAway": "one machine does not see the others",
    "PremadeWrongDigits": "the overview shows the counts at the gates in a table",
    "PremadeForgedScans": "the overview shows the counts at the gates in a table",
}
"""The other alerts, each with the reason why it is not a finding."""


def findings(figures: Figures) -> list[Finding]:
    """Return the current findings: the most urgent kind first, within it the largest figure."""
    return [
        finding
        for kind in KINDS
        for finding in sorted(
            kind.find(figures), key=lambda finding: (-finding.figure, finding.product_id or 0)
        )
    ]
