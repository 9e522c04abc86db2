"""A partner holds far more unused tickets than it sells."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Finding, FindingKind

UNUSED_MAX = 1_000
UNUSED_DAYS_MAX = 14


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        # Prometheus waits for an hour before it sends the alert, so tickets get that time to be sold.
        unused_long = row.unused - figures.generated_lately(row).last_hour
        if unused_long > UNUSED_MAX and unused_long > UNUSED_DAYS_MAX * row.activated:
            yield Finding(TOO_MANY_UNUSED, row.product_id, row.unused, row.partner, row.partner_id)


TOO_MANY_UNUSED = FindingKind(
    "PremadeTooManyUnusedTickets",
    _find,
    headline="{{ found.partner | bdi }} holds {{ found.figure | number }} unused tickets of {{ product | bdi }}",
    advice=(
        "More than 14 days of sales at the rate of the last 24 hours, and nobody else can sell "
        "them. Ask the partner whether this is intended; many of <a "
        'href="/console/batches?partner={{ found.partner_id }}">its batches</a> within minutes '
        "may come from a faulty program."
    ),
)
