"""At the rate of the last days, stock will be used up soon."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures, seconds_left
from premade.monitoring.finding import Finding, FindingKind

STOCK_DAYS_MIN = 7
_DAY_SECONDS = 86_400


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.stock:
        seconds = seconds_left(row)
        if seconds is not None and row.available > 0 and seconds < STOCK_DAYS_MIN * _DAY_SECONDS:
            days = seconds / _DAY_SECONDS
            yield Finding(STOCK_RUNS_OUT, row.product_id, days, channel=row.channel)


STOCK_RUNS_OUT = FindingKind(
    "PremadeStockRunsOut",
    _find,
    headline="{{ product | bdi }} in channel {{ found.channel }} lasts {{ found.figure | days_left }} more days",
    advice=(
        "At the sales rate of the last 7 days. One large batch can distort this rate. Raise the "
        'allotment under <a href="/console/stock">Stock</a>.'
    ),
)
