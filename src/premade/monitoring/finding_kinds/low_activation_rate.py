"""A partner activates almost none of its tickets."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures, activation_rate
from premade.monitoring.finding import Alert, Finding, FindingKind

RATE_MIN = 0.02
RATE_UNUSED_MIN = 100


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        # Prometheus waits for a day before it sends the alert, so tickets get that time to be sold.
        settled = max(row.unused - figures.generated_lately(row).last_day, 0)
        rate = activation_rate(settled, row.activated)
        if rate is not None and rate < RATE_MIN and settled >= RATE_UNUSED_MIN:
            yield Finding(Alert.LOW_ACTIVATION_RATE, row.product_id, rate, row.partner, row.partner_id)


LOW_ACTIVATION_RATE = FindingKind(Alert.LOW_ACTIVATION_RATE, _find)
