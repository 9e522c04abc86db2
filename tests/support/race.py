"""Many requests at the same moment, and what the database says of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from support.plain_http import NO_TLS
from support.postgres import SERVER_LOG
from support.shop import Seller, Shop


def at_once(
    seller: Seller, count: int, send: Callable[[httpx.AsyncClient, int], Awaitable[httpx.Response]]
) -> list[httpx.Response]:
    """The answers of `count` clients that send at the same moment, each over a connection of its own."""

    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(
            base_url=seller.http.base_url,
            headers=seller.http.headers,
            limits=limits,
            timeout=60,
            trust_env=False,
            verify=NO_TLS,
        ) as client:
            return await asyncio.gather(*(send(client, number) for number in range(count)))

    return asyncio.run(run())


def deadlocks(shop: Shop) -> int:
    """How many there were, from the server's log: a session tells the statistics up to ten seconds later."""
    [row] = shop.sql("SELECT current_setting('data_directory') AS folder")
    return (Path(row["folder"]).parent / SERVER_LOG).read_bytes().count(b"deadlock detected")


def wait_until_something_waits_for_a_row(shop: Shop, rows: int = 1) -> None:
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'"
    deadline = time.monotonic() + 4
    while len(shop.sql(query)) < rows:
        assert time.monotonic() < deadline, "nobody waits"
