"""The connection over which metrics are read: kept between scrapes, and given up after a few seconds."""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import Connection, RawCursor
from psycopg.rows import DictRow, dict_row

from premade.postgres.statements import Statement
from premade.runtime.outage import Outage

CONNECT_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MS = 3_000
CUT_OFF_SECONDS = 3.5
"""Twice that and a new connection stay below the 10 seconds after which Prometheus gives a scrape up."""


class StatementFailed(Exception):
    """The statement was not answered. The message is PostgreSQL's; `kind` is the name of the error."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.kind = type(error).__name__


class MetricsConnection:
    """One connection, for one thread at a time. It opens when it is needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection[DictRow] | None = None
        self._away = Outage("figures.database_away")

    def is_answered(self) -> bool:
        """Return whether the database answers now. A kept connection that was lost is opened once more."""
        if self._connection is not None:
            with suppress(StatementFailed):
                self._execute(b"SELECT", [])
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

    def fetch_all(self, statement: Statement, **values: Any) -> list[DictRow]:
        """Return the rows. The connection must be answered.

        Raises:
            StatementFailed: the database did not answer within CUT_OFF_SECONDS, or refused the statement.
        """
        return self._execute(statement.text, statement.arguments(values))

    def _execute(self, text: bytes, arguments: list[Any]) -> list[DictRow]:
        assert self._connection is not None
        try:
            with _cut_off_after(CUT_OFF_SECONDS, self._connection):
                cursor = RawCursor(self._connection).execute(text, arguments)
                return cursor.fetchall()
        except psycopg.Error as error:
            raise StatementFailed(error) from None

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


@contextmanager
def _cut_off_after(seconds: float, connection: Connection[DictRow]) -> Generator[None]:
    """End the wait for a server that stands still, or is behind a network that drops everything.

    Such a server obeys neither its own statement_timeout nor a request to cancel.
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
