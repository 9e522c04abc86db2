"""The database connection of the metrics: reused between scrapes, shut down after a few seconds without an answer."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial

import psycopg
from psycopg import Connection, RawCursor
from psycopg.rows import TupleRow

from premade.postgres.application_name import this_process
from premade.postgres.shut_down import shut_down
from premade.postgres.statements import P, Row, Statement
from premade.runtime.outage import Outage

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 3_000
CUT_OFF_SECONDS = 3.5
"""Limit for the statements of one block. Twice that and a new connection stay below the 10 seconds after which Prometheus
gives up a scrape.
"""


class StatementFailed(Exception):
    """The database did not execute the statement. The message is PostgreSQL's; `kind` is the class of psycopg's error."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.kind = type(error).__name__


class MetricsReader:
    """Reads rows within the time limit of a block."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection

    def fetch_all(self, statement: Statement[P, Row], *_: P.args, **values: P.kwargs) -> list[Row]:
        """Return all rows, as the statement declares them."""
        cursor = RawCursor(self._connection, row_factory=statement.row_factory)
        return cursor.execute(statement.text, statement.arguments(values)).fetchall()


class MetricsConnection:
    """One connection, used by one thread at a time. It opens when it is needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection[TupleRow] | None = None
        self._away = Outage("figures.database_away")

    def is_reachable(self) -> bool:
        """Return whether the database answers now. If the connection is lost, open a new one first."""
        if self._connection is not None:
            with suppress(StatementFailed), self._limited(self._connection):
                self._connection.execute(b"SELECT")
                return True
            self._connection.close()
            self._connection = None
        try:
            self._connection = self._connect()
        except psycopg.Error as error:
            self._away.begin(reason=type(error).__name__, detail=str(error))
            return False
        self._away.end()
        return True

    @contextmanager
    def reading(self) -> Generator[MetricsReader]:
        """Open a block of statements that have CUT_OFF_SECONDS together. Call it only after `is_reachable`.

        Raises:
            StatementFailed: the database did not answer in time, or refused a statement.
        """
        assert self._connection is not None
        with self._limited(self._connection):
            yield MetricsReader(self._connection)

    @contextmanager
    def _limited(self, connection: Connection[TupleRow]) -> Generator[None]:
        timer = threading.Timer(CUT_OFF_SECONDS, partial(shut_down, connection))
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.Error as error:
            raise StatementFailed(error) from None
        finally:
            timer.cancel()

    def _connect(self) -> Connection[TupleRow]:
        connection = Connection[TupleRow].connect(
            self._dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=this_process("metrics").application_name,
        )
        connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}".encode())
        return connection
