"""A partner holds far more unused tickets than it sells."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Alert, Finding, FindingKind

UNUSED_MAX = 1_000
UNUSED_DAYS_MAX = 14


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        # Prometheus waits for an hour before it sends the alert, so tickets get that time to be sold.
        settled = row.unused - figures.generated_lately(row).last_hour
        if settled > UNUSED_MAX and settled > UNUSED_DAYS_MAX * row.activated:
            yield Finding(Alert.TOO_MANY_UNUSED, row.product_id, row.unused, row.partner, row.partner_id)


TOO_MANY_UNUSED = FindingKind(Alert.TOO_MANY_UNUSED, _find)
