"""Stock that sold lately is used up."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures, seconds_left
from premade.monitoring.finding import Finding, FindingKind


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.stock:
        if seconds_left(row) is not None and row.available == 0:
            yield Finding(STOCK_EXHAUSTED, row.product_id, 0, channel=row.channel)


STOCK_EXHAUSTED = FindingKind(
    "PremadeStockExhausted",
    _find,
    headline="No stock is left of {{ product | bdi }} in channel {{ found.channel }}",
    advice=(
        "Partners cannot generate further batches; existing tickets can still be sold. Raise the "
        'allotment under <a href="/console/stock">Stock</a>, or tell them that it is sold out.'
    ),
    is_critical=True,
)
