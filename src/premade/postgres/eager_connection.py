"""Connections that open soon after a failover: they do not wait for a server that hangs, and they try again five times a second."""

import asyncio
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

NEXT_SERVER_SECONDS = 0.25
"""How long to wait for one server before the next one is tried too."""
RETRY_SECONDS = 0.2
"""Pause before a server is tried again."""
SEARCH_SECONDS_MAX = 60.0
"""How long to try, longer than a failover takes. Then the pool makes its own pause, and opens the connection again."""
_PER_SERVER = ("host", "hostaddr", "port")


class Search:
    """The search for a server that accepts connections. One connection at a time searches, and the others of the process wait."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End the search. Call this when the process stops."""
        self._ended.set()

    async def pause(self) -> bool:
        """Wait RETRY_SECONDS. Return whether the search goes on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), RETRY_SECONDS)
        return not self._ended.is_set()


class EagerConnection(AsyncConnection[TupleRow]):
    """A connection to the first of several servers that accepts it."""

    @classmethod
    async def connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, conninfo: str = "", *, search: Search, **kwargs: Any
    ) -> Self:
        """Open a connection. If no server accepts it, wait until no other connection searches. Then try all servers again and again.

        Raises:
            psycopg.OperationalError: no server accepted it within SEARCH_SECONDS_MAX.
        """
        with suppress(psycopg.OperationalError):
            return await cls._first(
                [super(EagerConnection, cls).connect(server, **kwargs) for server in servers_of(conninfo)]
            )
        async with search.turn:
            return await cls._first([cls._retry(search, server, **kwargs) for server in servers_of(conninfo)])

    @classmethod
    async def _retry(cls, search: Search, server: str, **kwargs: Any) -> Self:
        deadline = time.monotonic() + SEARCH_SECONDS_MAX
        while True:
            try:
                return await super().connect(server, **kwargs)
            except psycopg.OperationalError:
                if time.monotonic() > deadline or not await search.pause():
                    raise

    @classmethod
    async def _first(cls, waiting: list[Coroutine[Any, Any, Self]]) -> Self:
        """Return the connection that opens first. Begin with one server, and add the next one when a server fails or is slow."""
        tries: set[asyncio.Task[Self]] = set()
        errors: list[BaseException] = []
        try:
            while waiting or tries:
                if waiting:
                    tries.add(asyncio.create_task(waiting.pop()))
                done, _ = await asyncio.wait(
                    tries,
                    timeout=NEXT_SERVER_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for each in done:
                    tries.remove(each)
                    if (error := each.exception()) is None:
                        return each.result()
                    errors.append(error)
        finally:
            for left in waiting:
                left.close()
            for each in tries:
                each.cancel()
                each.add_done_callback(_close)
        if len(errors) == 1:
            raise errors[0]
        message = "No server takes the connection:\n" + "\n".join(str(error) for error in errors)
        raise psycopg.OperationalError(message) from errors[-1]


def _close(late: "asyncio.Task[EagerConnection]") -> None:
    """Close a connection that opened after the first one."""
    if not late.cancelled() and late.exception() is None:
        late.result().pgconn.finish()


def servers_of(conninfo: str) -> list[str]:
    """Return a connection string for each server. The last one is to be tried first. The order is random by default.

    If all connections began with the same server, all would wait while it hangs.
    """
    parts = conninfo_to_dict(conninfo)
    lists = {name: str(parts[name]).split(",") for name in _PER_SERVER if parts.get(name)}
    count = max((len(each) for name, each in lists.items() if name != "port"), default=1)
    if count == 1 or parts.get("target_session_attrs") == "prefer-standby":
        # The driver can tell only after it has tried all servers which one is preferred.
        return [conninfo]
    servers = [
        make_conninfo(
            conninfo, **{name: each[number if len(each) > 1 else 0] for name, each in lists.items()}
        )
        for number in range(count)
    ]
    if parts.get("load_balance_hosts", "random") == "random":
        random.shuffle(servers)
    else:
        servers.reverse()
    return servers
