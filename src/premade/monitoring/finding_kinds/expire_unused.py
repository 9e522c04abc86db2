"""More of a partner's tickets expire soon than it will sell by then."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures
from premade.monitoring.finding import Alert, Finding, FindingKind

EXPIRING_MAX = 100
EXPIRING_DAYS = 14


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        expiring = row.expiring
        if expiring > EXPIRING_MAX and expiring > EXPIRING_DAYS * row.activated:
            yield Finding(Alert.EXPIRE_UNUSED, row.product_id, expiring, row.partner, row.partner_id)


EXPIRE_UNUSED = FindingKind(Alert.EXPIRE_UNUSED, _find)
