"""How a worker speaks HTTP: uvicorn's protocol, with each answer sent in one piece.

uvicorn writes the head and the body of an answer apart, and uvloop sends each at once: two system calls, and
a client that is woken twice.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

JOINED_BYTES_MAX = 64 * 1024
"""From here on it is sent at once: only then does the transport tell an answer to wait for its client."""


class _JoinedWrites:
    """A transport that sends what was written in one turn of the event loop together, at the turn's end."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)
        self._bytes += len(data)
        if self._bytes >= JOINED_BYTES_MAX:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        written, self._written, self._bytes = self._written, [], 0
        if written and not self._transport.is_closing():
            self._transport.write(b"".join(written))


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        super().connection_made(_JoinedWrites(transport, self.loop))  # pyright: ignore[reportArgumentType]
