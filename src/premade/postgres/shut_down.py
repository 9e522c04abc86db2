"""Shut a connection down without its server."""

import os
import socket
from contextlib import suppress
from typing import Any

import psycopg


def shut_down(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """End the connection, and so the wait for its server's answer.

    A server that stands still, or is behind a network that drops everything, obeys neither statement_timeout nor a request
    to cancel.
    """
    # A duplicate of the descriptor: psycopg closes its own.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
