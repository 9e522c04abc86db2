"""The figures that the database knows, read once at each scrape by the parent process, never by each worker."""

from collections.abc import Iterable
from datetime import timedelta
from importlib.metadata import version
from platform import python_version
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.registry import Collector
from psycopg import Connection, RawCursor
from psycopg.rows import DictRow, dict_row

from premade.base import statements
from premade.base.logs import log
from premade.base.statements import Statement
from premade.base.world import World

sql = statements.load(__file__)

ACTIVATION_WINDOW = timedelta(hours=24)
SPAN = timedelta(minutes=5)
STOCK_RATE_WINDOW = timedelta(days=7)
EXPIRING_WITHIN = timedelta(days=14)
SCRAPE_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_SECONDS = 2
_BY_PARTNER = ["partner", "product_id"]
_BY_CHANNEL = ["product_id", "channel"]


class DatabaseFigures(Collector):
    """A Prometheus collector. With the database away it tells just that."""

    def __init__(self, dsn: str, world: World) -> None:
        self._dsn = dsn
        self._world = world
        self._connection: Connection[DictRow] | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        try:
            figures = self._figures()
        except psycopg.Error as error:
            log.warning("figures.not_read", reason=type(error).__name__, detail=str(error))
            self._forget_connection()
            figures = None
        up = GaugeMetricFamily("premade_database_up", "Whether the database answered this scrape.")
        up.add_metric([], 0.0 if figures is None else 1.0)
        return [_build_info(), up, *(figures or [])]

    def _figures(self) -> list[Metric]:
        now = self._world.now()
        # From the start of a span: that is as fine as activations are kept.
        since = now - ACTIVATION_WINDOW - timedelta(seconds=now.timestamp() % SPAN.total_seconds())
        today = self._world.today()
        tickets = self._rows(sql.tickets, since=since, today=today, soon=today + EXPIRING_WITHIN)
        stock = self._rows(sql.stock, since=now - STOCK_RATE_WINDOW)
        return [*_ticket_metrics(tickets), *_stock_metrics(stock)]

    def _rows(self, statement: Statement, **given: Any) -> list[DictRow]:
        if self._connection is None:
            self._connection = self._connect()
        cursor = RawCursor(self._connection)
        return cursor.execute(statement.text, statement.arguments(given)).fetchall()

    def _connect(self) -> Connection[DictRow]:
        connection = Connection[DictRow].connect(
            self._dsn,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="premade metrics",
        )
        connection.execute(f"SET statement_timeout = {SCRAPE_TIMEOUT_MS}".encode())
        return connection

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _build_info() -> Metric:
    info = GaugeMetricFamily("premade_build_info", "Always 1; what runs.", labels=["version", "python"])
    info.add_metric([version("premade"), python_version()], 1)
    return info


def _ticket_metrics(rows: list[DictRow]) -> list[Metric]:
    # Its name is the contract's; the suffix belongs to histograms, so it cannot be declared a gauge.
    unused = UntypedMetricFamily(
        "ota_tickets_pre_generated_count", "Tickets that are generated and not yet sold.", labels=_BY_PARTNER
    )
    rate = GaugeMetricFamily(
        "ota_tickets_activation_rate",
        "Activated in the last 24 hours, divided by those and the unused ones.",
        labels=_BY_PARTNER,
    )
    activated = GaugeMetricFamily(
        "ota_tickets_activated_last_day", "Activated in the last 24 hours.", labels=_BY_PARTNER
    )
    expiring = GaugeMetricFamily(
        "ota_tickets_expiring_unused",
        f"Unused tickets whose last day of sale is within {EXPIRING_WITHIN.days} days.",
        labels=_BY_PARTNER,
    )
    for row in rows:
        labels = [row["partner"], str(row["product_id"])]
        unused.add_metric(labels, row["unused"])
        activated.add_metric(labels, row["activated"])
        expiring.add_metric(labels, row["expiring"])
        if both := row["unused"] + row["activated"]:
            rate.add_metric(labels, row["activated"] / both)
    return [unused, rate, activated, expiring]


def _stock_metrics(rows: list[DictRow]) -> list[Metric]:
    available = GaugeMetricFamily(
        "premade_allotment_available", "Tickets left to generate, of an allotment.", labels=_BY_CHANNEL
    )
    days_left = GaugeMetricFamily(
        "premade_allotment_days_left",
        f"Days until the allotment is used up, at the rate of the last {STOCK_RATE_WINDOW.days} days.",
        labels=_BY_CHANNEL,
    )
    for row in rows:
        labels = [str(row["product_id"]), row["channel"]]
        available.add_metric(labels, row["available"])
        if row["issued_lately"]:
            days_left.add_metric(labels, row["available"] * STOCK_RATE_WINDOW.days / row["issued_lately"])
    return [available, days_left]
