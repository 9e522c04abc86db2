"""Stock that sold lately is used up."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures, seconds_left
from premade.monitoring.finding import Alert, Finding, FindingKind


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.stock:
        if seconds_left(row) is not None and row.available == 0:
            yield Finding(Alert.STOCK_EXHAUSTED, row.product_id, 0, channel=row.channel)


STOCK_EXHAUSTED = FindingKind(Alert.STOCK_EXHAUSTED, _find, is_critical=True)
