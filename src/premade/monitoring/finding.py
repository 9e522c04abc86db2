"""A finding: the condition of an alert, as the database shows it now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from premade.monitoring.figures import Figures


class Alert(StrEnum):
    """The alerts of Prometheus that the database can answer too: the most urgent first. Each has a section in the runbook."""

    STOCK_EXHAUSTED = "PremadeStockExhausted"
    STOCK_RUNS_OUT = "PremadeStockRunsOut"
    TOO_MANY_UNUSED = "PremadeTooManyUnusedTickets"
    LOW_ACTIVATION_RATE = "PremadeLowActivationRate"
    EXPIRE_UNUSED = "PremadeTicketsExpireUnused"


@dataclass(frozen=True)
class Finding:
    """One condition that holds, of a partner's tickets or of a channel's stock."""

    alert: Alert
    product_id: int
    figure: float
    """Number of tickets; of LOW_ACTIVATION_RATE the rate, of STOCK_RUNS_OUT the days that are left."""
    partner: str | None = None
    partner_id: int | None = None
    channel: str | None = None
    is_critical: bool = False
    """As its kind says."""


@dataclass(frozen=True)
class FindingKind:
    """One kind of finding."""

    alert: Alert
    find: Callable[[Figures], Iterator[Finding]]
    """Yields a finding for each product, partner or channel where the alert's condition holds."""
    is_critical: bool = False
    """Whether the alert wakes somebody."""
