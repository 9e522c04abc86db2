"""A network that can break: a TCP proxy that passes everything on, or less."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum
from typing import Self, cast

import uvloop

SLOW_SECONDS = 0.15
"""Delay of each piece in each direction when the network is slow."""


class Network(Enum):
    """State of the network."""

    OPEN = "open"
    CUT = "cut"
    """Connections are reset, and no new one can be made."""
    STALLED = "stalled"
    """Connections stay open, and nothing passes."""
    SLOW = "slow"
    """Each piece comes SLOW_SECONDS later."""
    DEAF = "deaf"
    """Requests pass, and responses do not."""


class _Side(asyncio.Protocol):
    """One of the two connections of a link. What it receives goes to its peer."""

    def __init__(self, proxy: "Proxy", *, is_client: bool) -> None:
        self._proxy = proxy
        self._is_client = is_client
        self._held: deque[tuple[float, bytes]] = deque()
        self.peer: _Side | None = None
        self.transport: asyncio.Transport | None = None
        self._is_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance of it with uvloop.
        self.transport = cast("asyncio.Transport", transport)
        self._proxy.sides.add(self)

    def data_received(self, data: bytes) -> None:
        if self._proxy.network is Network.OPEN and not self._held and self.peer and self.peer.transport:
            self.peer.transport.write(data)
        else:
            self._held.append((self._proxy.time(), data))
            self.pass_on()

    def eof_received(self) -> bool:
        self._is_ended = True
        self.pass_on()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._proxy.sides.discard(self)
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.abort() if exc else self.peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def pass_on(self) -> None:
        """Send what is held, as far as the network lets it pass."""
        network = self._proxy.network
        if self.peer is None or self.peer.transport is None or network in (Network.CUT, Network.STALLED):
            return
        if network is Network.DEAF and not self._is_client:
            return
        delay = SLOW_SECONDS if network is Network.SLOW else 0.0
        while self._held:
            wait = self._held[0][0] + delay - self._proxy.time()
            if wait > 0:
                self._proxy.loop.call_later(wait, self.pass_on)
                return
            self.peer.transport.write(self._held.popleft()[1])
        if self._is_ended and self.peer.transport.can_write_eof():
            self.peer.transport.write_eof()


class Proxy:
    """A proxy between an address of its own and a target. Its loop runs in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.network = Network.OPEN
        self.sides: set[_Side] = set()
        self.loop = uvloop.new_event_loop()
        self.time = self.loop.time
        self._pending: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextmanager
    def running(self) -> Generator[Self]:
        """Listen until the end of the block."""
        thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="proxy")
        thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result()
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()

    async def _listen(self) -> int:
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        await self.loop.create_server(self._accept, sock=listening)
        return listening.getsockname()[1]

    def _accept(self) -> _Side:
        client = _Side(self, is_client=True)
        task = self.loop.create_task(self._link(client))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return client

    async def _link(self, client: _Side) -> None:
        if self.network is not Network.CUT:
            target = _Side(self, is_client=False)
            client.peer, target.peer = target, client
            try:
                await self.loop.create_connection(lambda: target, *self._target)
            except OSError:
                pass
            else:
                client.pass_on()
                return
        if client.transport is not None:
            client.transport.abort()

    def become(self, network: Network) -> None:
        """Change the state of the network."""
        self.loop.call_soon_threadsafe(self._become, network)

    def _become(self, network: Network) -> None:
        self.network = network
        for side in list(self.sides):
            if network is Network.CUT:
                if side.transport is not None:
                    side.transport.abort()
            else:
                side.pass_on()
