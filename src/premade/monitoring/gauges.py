"""The figures that the database knows, read once at each scrape by the parent process, never by each worker."""

import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from importlib.metadata import version
from platform import python_version
from typing import Any

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.registry import Collector
from psycopg import Connection, RawCursor
from psycopg.rows import DictRow, dict_row

from premade.base.outage import Outage
from premade.base.statements import Statement
from premade.base.world import World
from premade.monitoring.figures import (
    ALL_PARTNERS,
    EXPIRING_WITHIN,
    STOCK_RATE_WINDOW,
    activation_rate,
    moments,
    seconds_left,
    sql,
)

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 3_000
CUT_OFF_SECONDS = 3.5
"""Twice that and a new connection stay below the 10 seconds after which Prometheus gives a scrape up."""
_BY_PARTNER = ["partner", "product_id"]
_BY_CHANNEL = ["product_id", "channel"]


class ProcessFigures(Collector):
    """Metrics of the parent: ended workers, restarts of the embedded database."""

    def __init__(self, worker_ends: Callable[[], int], database_restarts: Callable[[], int]) -> None:
        self._worker_ends = worker_ends
        self._database_restarts = database_restarts

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        return [
            CounterMetricFamily(
                "premade_worker_ends", "Workers that ended unexpectedly.", value=self._worker_ends()
            ),
            CounterMetricFamily(
                "premade_embedded_database_restarts",
                "How often the embedded PostgreSQL had ended and was started again.",
                value=self._database_restarts(),
            ),
        ]


class DatabaseFigures(Collector):
    """A Prometheus collector. With the database away it tells just that."""

    def __init__(self, dsn: str, world: World) -> None:
        self._dsn = dsn
        self._world = world
        self._connection: Connection[DictRow] | None = None
        self._away = Outage("figures.database_away")
        self._unread = Outage("figures.not_read")
        # Two Prometheus servers may scrape at the same moment.
        self._one_at_a_time = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not ask the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape."""
        with self._one_at_a_time:
            connection = self._answering()
            figures = connection and self._figures(connection)
            clock = connection and self._clock(connection)
        up = GaugeMetricFamily("premade_database_up", "Whether the database answered this scrape.")
        up.add_metric([], float(connection is not None))
        read = GaugeMetricFamily(
            "premade_database_figures_read", "Whether the figures of tickets and stock could be read."
        )
        read.add_metric([], float(figures is not None))
        return [_build_info(), up, read, *(clock or []), *(figures or [])]

    def _answering(self) -> Connection[DictRow] | None:
        """A connection to a database that answers. One that was kept and is lost says little: it may be back."""
        if self._connection is not None and self._answers(self._connection):
            return self._connection
        self._forget_connection()
        try:
            self._connection = self._connect()
        except psycopg.Error as error:
            self._away.begin(reason=type(error).__name__, detail=str(error))
            return None
        self._away.end()
        return self._connection

    def _answers(self, connection: Connection[DictRow]) -> bool:
        try:
            with _cut_off_after(CUT_OFF_SECONDS, connection):
                connection.execute(b"SELECT")
        except psycopg.Error:
            return False
        return True

    def _figures(self, connection: Connection[DictRow]) -> list[Metric] | None:
        try:
            figures = self._read(connection)
        except psycopg.Error as error:
            self._unread.begin(reason=type(error).__name__, detail=str(error))
            return None
        self._unread.end()
        return figures

    def _clock(self, connection: Connection[DictRow]) -> list[Metric] | None:
        try:
            with _cut_off_after(CUT_OFF_SECONDS, connection):
                row = connection.execute(b"SELECT clock_timestamp() AS database_now").fetchone()
        except psycopg.Error:
            return None
        assert row is not None
        ahead = GaugeMetricFamily(
            "premade_database_clock_ahead_seconds",
            "The database's clock minus this machine's, in seconds. Beyond 30 either way the service is not ready.",
        )
        ahead.add_metric([], (row["database_now"] - self._world.now()).total_seconds())
        return [ahead]

    def _read(self, connection: Connection[DictRow]) -> list[Metric]:
        asked = moments(self._world, ALL_PARTNERS)
        with _cut_off_after(CUT_OFF_SECONDS, connection):
            tickets = _rows(connection, sql.tickets, asked)
            stock = _rows(connection, sql.stock, asked)
        return [*_ticket_metrics(tickets), *_stock_metrics(stock)]

    def _connect(self) -> Connection[DictRow]:
        connection = Connection[DictRow].connect(
            self._dsn,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="premade metrics",
        )
        connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}".encode())
        return connection

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _rows(connection: Connection[DictRow], statement: Statement, given: dict[str, Any]) -> list[DictRow]:
    return RawCursor(connection).execute(statement.text, statement.arguments(given)).fetchall()


@contextmanager
def _cut_off_after(seconds: float, connection: Connection[DictRow]) -> Generator[None]:
    """Ends the wait for a server that stands still, or is behind a network that drops everything.

    Such a server heeds neither its own statement_timeout nor a request to cancel.
    """

    def cut_off() -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
        if (of_these := activation_rate(row["unused"], row["activated"])) is not None:
            rate.add_metric(labels, of_these)
    return [unused, rate, activated, expiring]


def _stock_metrics(rows: list[DictRow]) -> list[Metric]:
    available = GaugeMetricFamily(
        "premade_allotment_available", "Tickets left to generate, of an allotment.", labels=_BY_CHANNEL
    )
    # In seconds, the base unit, as promtool wants it; whoever shows it makes days of them.
    time_left = GaugeMetricFamily(
        "premade_allotment_time_left_seconds",
        f"Time until the allotment is used up, at the rate of the last {STOCK_RATE_WINDOW.days} days.",
        labels=_BY_CHANNEL,
    )
    for row in rows:
        labels = [str(row["product_id"]), row["channel"]]
        available.add_metric(labels, row["available"])
        if (seconds := seconds_left(row)) is not None:
            time_left.add_metric(labels, seconds)
    return [available, time_left]
