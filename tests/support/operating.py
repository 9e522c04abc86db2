"""The event loop on which the tests run actions of the operator, and the databases and connections that stay open for them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row

from premade.postgres.database import Database, open_database

Result = TypeVar("Result")
CONNECTIONS_MAX = 4
"""Some actions of a test wait for each other."""
_kept: dict[str, Database] = {}
_connections: dict[str, psycopg.Connection[DictRow]] = {}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for the whole process, in a thread: a browser has an event loop of its own in the thread of the test."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="operator").start()
    return loop


def run(dsn: str, action: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run the action now. It gets the database that is kept open for this DSN, or one of its own."""

    async def on_database() -> Result:
        if dsn in _kept:
            return await action(_kept[dsn])
        async with open_database(dsn, connections_max=1) as database:
            return await action(database)

    return asyncio.run_coroutine_threadsafe(on_database(), _loop()).result()


@contextmanager
def connected(dsn: str) -> Generator[psycopg.Connection[DictRow]]:
    """Yield a connection that reads the tables without premade's code: the one kept for this DSN, or a new one."""
    if dsn not in _kept:
        with _connection(dsn) as connection:
            yield connection
        return
    if dsn not in _connections or _connections[dsn].closed:
        _connections[dsn] = _connection(dsn)
    yield _connections[dsn]


def _connection(dsn: str) -> psycopg.Connection[DictRow]:
    # A statement is not prepared: a test may change the table that it reads.
    return psycopg.Connection[DictRow].connect(
        dsn, autocommit=True, row_factory=dict_row, prepare_threshold=None
    )


@contextmanager
def kept_open(dsn: str) -> Generator[None]:
    """Keep connections open during the block, so that actions and queries on this database need no new ones."""
    opened = open_database(dsn, CONNECTIONS_MAX)
    _kept[dsn] = asyncio.run_coroutine_threadsafe(opened.__aenter__(), _loop()).result()
    try:
        yield
    finally:
        del _kept[dsn]
        if dsn in _connections:
            _connections.pop(dsn).close()
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), _loop()).result()
