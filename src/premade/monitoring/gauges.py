"""Metrics from the database, read at each scrape by the parent process only."""

import threading
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from premade.monitoring import gauges_sql as sql
from premade.monitoring.figures import (
    ALL_PARTNERS,
    EXPIRING_WITHIN,
    STOCK_RATE_WINDOW,
    activation_rate,
    moments,
    seconds_left,
)
from premade.monitoring.figures import sql as figures_sql
from premade.postgres.metrics_connection import MetricsConnection, StatementFailed
from premade.runtime.clock import Runtime
from premade.runtime.outage import Outage

_BY_PARTNER = ["partner", "product_id"]
_BY_CHANNEL = ["product_id", "channel"]


class WorkerFigures(Collector):
    """Metrics of the workers, which each keep theirs in files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the sums over the files. A worker that starts creates each file empty, and fills it a moment later."""
        files = [str(file) for file in self._folder.glob("*.db") if file.stat().st_size > 0]
        return cast("Iterable[Metric]", MultiProcessCollector.merge(files))  # pyright: ignore[reportUnknownMemberType]


class ProcessFigures(Collector):
    """Metrics of the parent: ended workers, restarts of the embedded database."""

    def __init__(self, worker_ends: Callable[[], int], database_restarts: Callable[[], int]) -> None:
        self._worker_ends = worker_ends
        self._database_restarts = database_restarts

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, at each scrape."""
        return [
            CounterMetricFamily(
                "premade_worker_ends", "Workers that exited unexpectedly.", value=self._worker_ends()
            ),
            CounterMetricFamily(
                "premade_embedded_database_restarts",
                "Restarts of the embedded PostgreSQL after an unexpected exit.",
                value=self._database_restarts(),
            ),
        ]


class DatabaseFigures(Collector):
    """Metrics from the database. Without a database they only say so."""

    def __init__(self, dsn: str, runtime: Runtime) -> None:
        self._connection = MetricsConnection(dsn)
        self._runtime = runtime
        self._unread = Outage("figures.not_read")
        # Two Prometheus servers may scrape at the same moment.
        self._one_at_a_time = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return no metrics: registration must not read the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, at each scrape."""
        with self._one_at_a_time:
            is_up = self._connection.is_reachable()
            figures = self._figures() if is_up else None
            clock = self._clock() if is_up else None
        up = GaugeMetricFamily("premade_database_up", "Whether the database responded to this scrape.")
        up.add_metric([], float(is_up))
        read = GaugeMetricFamily(
            "premade_database_figures_read", "Whether the figures of tickets and stock could be read."
        )
        read.add_metric([], float(figures is not None))
        return [_build_info(), up, read, *(clock or []), *(figures or [])]

    def _figures(self) -> list[Metric] | None:
        at = moments(self._runtime, ALL_PARTNERS)
        try:
            with self._connection.reading() as reader:
                tickets = reader.fetch_all(
                    figures_sql.tickets,
                    partner_id=ALL_PARTNERS,
                    today=at["today"],
                    soon=at["soon"],
                    since=at["since"],
                )
                stock = reader.fetch_all(
                    figures_sql.stock,
                    partner_id=ALL_PARTNERS,
                    now=at["now"],
                    rate_since=at["rate_since"],
                )
        except StatementFailed as error:
            self._unread.begin(reason=error.kind, detail=str(error))
            return None
        self._unread.end()
        return [*_ticket_metrics(tickets), *_stock_metrics(stock)]

    def _clock(self) -> list[Metric] | None:
        try:
            with self._connection.reading() as reader:
                [database_now] = reader.fetch_all(sql.database_now)
        except StatementFailed:
            return None
        ahead = GaugeMetricFamily(
            "premade_database_clock_ahead_seconds",
            "The database's clock minus this machine's, in seconds. Beyond 30 in either direction the service is not ready.",
        )
        ahead.add_metric([], (database_now - self._runtime.now()).total_seconds())
        return [ahead]


def _build_info() -> Metric:
    info = GaugeMetricFamily(
        "premade_build_info", "Always 1; the labels have the running versions.", labels=["version", "python"]
    )
    info.add_metric([version("premade"), python_version()], 1)
    return info


def _ticket_metrics(rows: list[figures_sql.TicketFigures]) -> list[Metric]:
    # Its name is the contract's; the suffix belongs to histograms, so it cannot be declared a gauge.
    unused = UntypedMetricFamily(
        "ota_tickets_pre_generated_count", "Tickets that are generated and not sold.", labels=_BY_PARTNER
    )
    rate = GaugeMetricFamily(
        "ota_tickets_activation_rate",
        "Tickets activated in the last 24 hours, divided by these and the unused ones.",
        labels=_BY_PARTNER,
    )
    activated = GaugeMetricFamily(
        "ota_tickets_activated_last_day", "Tickets activated in the last 24 hours.", labels=_BY_PARTNER
    )
    expiring = GaugeMetricFamily(
        "ota_tickets_expiring_unused",
        f"Unused tickets whose last day of sale is within {EXPIRING_WITHIN.days} days.",
        labels=_BY_PARTNER,
    )
    for row in rows:
        labels = [row.partner, str(row.product_id)]
        unused.add_metric(labels, row.unused)
        activated.add_metric(labels, row.activated)
        expiring.add_metric(labels, row.expiring)
        if (of_these := activation_rate(row.unused, row.activated)) is not None:
            rate.add_metric(labels, of_these)
    return [unused, rate, activated, expiring]


def _stock_metrics(rows: list[figures_sql.StockFigures]) -> list[Metric]:
    available = GaugeMetricFamily(
        "premade_allotment_available", "Available stock of an allotment.", labels=_BY_CHANNEL
    )
    # In seconds, the base unit of Prometheus. Dashboards show days.
    time_left = GaugeMetricFamily(
        "premade_allotment_time_left_seconds",
        f"Time until the allotment runs out at the rate of the last {STOCK_RATE_WINDOW.days} days.",
        labels=_BY_CHANNEL,
    )
    for row in rows:
        labels = [str(row.product_id), row.channel]
        available.add_metric(labels, row.available)
        if (seconds := seconds_left(row)) is not None:
            time_left.add_metric(labels, seconds)
    return [available, time_left]
