"""A partner activates almost none of its tickets."""

from collections.abc import Iterator

from premade.monitoring.figures import Figures, activation_rate
from premade.monitoring.finding import Finding, FindingKind

RATE_MIN = 0.02
RATE_UNUSED_MIN = 100


def _find(figures: Figures) -> Iterator[Finding]:
    for row in figures.tickets:
        # Prometheus waits for a day before it sends the alert, so tickets get that time to be sold.
        unused_long = max(row.unused - figures.generated_lately(row).last_day, 0)
        rate = activation_rate(unused_long, row.activated)
        if rate is not None and rate < RATE_MIN and unused_long >= RATE_UNUSED_MIN:
            yield Finding(LOW_ACTIVATION_RATE, row.product_id, rate, row.partner, row.partner_id)


LOW_ACTIVATION_RATE = FindingKind(
    "PremadeLowActivationRate",
    _find,
    headline="{{ found.partner | bdi }} hardly sells {{ product | bdi }}: {{ found.figure | percent }} in 24 hours",
    advice=(
        "Either it does not sell, or its activations do not arrive, and travellers come with "
        'tickets that do not open a gate. If <a href="/console?partner={{ found.partner_id '
        '}}">its sales</a> stopped suddenly, tell its developer and the gate staff today.'
    ),
)
