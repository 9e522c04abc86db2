"""More of a partner's tickets expire soon than it will sell by then."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Finding, FindingKind

EXPIRING_MAX = 100
EXPIRING_DAYS = 14


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        expiring = row.expiring
        if expiring > EXPIRING_MAX and expiring > EXPIRING_DAYS * row.activated:
            yield Finding(EXPIRE_UNUSED, row.product_id, expiring, row.partner, row.partner_id)


EXPIRE_UNUSED = FindingKind(
    "PremadeTicketsExpireUnused",
    _find,
    headline="{{ found.figure | number }} unused tickets of {{ found.partner | bdi }} for {{ product | bdi }} expire within 14 days",
    advice=(
        "More than it sells in that time. Tell the partner. The last day of sale is on the pages "
        'of <a href="/console/batches?partner={{ found.partner_id }}">its batches</a>.'
    ),
)
