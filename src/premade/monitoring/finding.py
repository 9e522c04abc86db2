"""A finding: the condition of an alert that holds now, by the figures of the database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from premade.monitoring.figures import Figures


@dataclass(frozen=True)
class FindingKind:
    """One kind of finding. Its texts are templates of the console, for a `found` Finding and the name of its `product`."""

    alert: str
    """Name of the alert in Prometheus with the same condition. The runbook has a section for it."""
    find: Callable[[Figures], Iterator["Finding"]]
    """Yields a finding for each product, partner or channel where the alert's condition holds."""
    headline: str
    """What is wrong, as a template."""
    advice: str
    """What to do, as a template."""
    is_critical: bool = False
    """Whether the alert wakes somebody."""


@dataclass(frozen=True)
class Finding:
    """One condition that holds, such as of a partner's tickets or of a channel's stock."""

    kind: FindingKind
    product_id: int | None
    """None: the condition is not about a product."""
    figure: float
    """Number of tickets, rate or days, as the kind says."""
    partner: str | None = None
    partner_id: int | None = None
    channel: str | None = None
