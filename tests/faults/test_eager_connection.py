"""Connections after a failover: a server that hangs delays none, and all open soon after a server accepts them again."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.postgres import closed_to_all

from premade.postgres.eager_connection import EagerConnection, Search, servers_of

CONNECTIONS = 6
DEADLINE_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 60
"""Far beyond DEADLINE_SECONDS: a connection that waits for a server that hangs misses the deadline."""


@contextmanager
def server_that_hangs(folder: Path, port: str) -> Generator[str]:
    """A host that accepts connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / f".s.PGSQL.{port}"))
        listener.listen()
        yield str(folder)


async def connect(conninfo: str, search: Search) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        connection = await EagerConnection.connect(
            conninfo, search=search, connect_timeout=CONNECT_TIMEOUT_SECONDS
        )
        await connection.close()


async def wait_until_one_searches(search: Search) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not search.turn.locked():  # noqa: ASYNC110  (a lock tells nobody that it was taken)
            await asyncio.sleep(0.01)


def test_a_server_that_hangs_delays_no_connection(dsn: str, home: Path) -> None:
    parts = conninfo_to_dict(dsn)
    with server_that_hangs(home, str(parts["port"])) as hanging:
        both = make_conninfo(dsn, host=f"{hanging},{parts['host']}", load_balance_hosts="disable")
        asyncio.run(connect(both, Search()))


def test_all_connections_open_when_the_server_accepts_them_again(dsn: str, own_dsn: str) -> None:
    async def lose_the_server() -> None:
        search = Search()
        with ExitStack() as stack:
            stack.enter_context(closed_to_all(dsn, own_dsn))
            connections = [asyncio.create_task(connect(own_dsn, search)) for _ in range(CONNECTIONS)]
            await wait_until_one_searches(search)
        await asyncio.gather(*connections)

    asyncio.run(lose_the_server())


def test_a_process_that_stops_searches_no_longer(dsn: str, own_dsn: str) -> None:
    async def stop_meanwhile() -> None:
        search = Search()
        connections = [asyncio.create_task(connect(own_dsn, search)) for _ in range(CONNECTIONS)]
        await wait_until_one_searches(search)
        search.end()
        async with asyncio.timeout(DEADLINE_SECONDS / 2):
            results = await asyncio.gather(*connections, return_exceptions=True)
        assert [type(result) for result in results] == [psycopg.OperationalError] * CONNECTIONS

    with closed_to_all(dsn, own_dsn):
        asyncio.run(stop_meanwhile())


@pytest.mark.parametrize(
    ("hosts", "servers"),
    [
        ("host=a,b port=1,2", [("b", "2"), ("a", "1")]),
        ("host=a,b port=1", [("b", "1"), ("a", "1")]),
        ("host=a,b", [("b", None), ("a", None)]),
        ("host=a port=1", [("a", "1")]),
        ("dbname=x", [(None, None)]),
    ],
)
def test_each_server_has_its_own_connection_string(
    hosts: str, servers: list[tuple[str | None, str | None]]
) -> None:
    parts = [conninfo_to_dict(server) for server in servers_of(f"{hosts} load_balance_hosts=disable")]
    assert [(each.get("host"), each.get("port")) for each in parts] == servers
