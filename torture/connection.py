"""An HTTP connection that costs a client little: one keep-alive connection, one request at a time."""

import asyncio
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools


class ConnectionLost(Exception):
    """The connection broke before the whole response was there, or could not be made."""


@dataclass
class Answer:
    """A response. The names of the headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytearray = field(default_factory=bytearray)


class _Protocol(asyncio.Protocol):
    """Feed the bytes of the connection to the parser, and complete the pending response."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answered: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance of it with uvloop.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"no HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(type(exc).__name__ if exc else "closed")

    def _fail(self, why: str) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(ConnectionLost(why))
        self.close()

    def close(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def on_message_begin(self) -> None:
        self._answer = Answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._answer.body += body

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(self._answer)


class Connection:
    """A connection to one address. It is made again when it was lost."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._protocol: _Protocol | None = None

    async def request(self, head: str, body: bytes, seconds_max: float) -> Answer:
        """Send a request and return its response. `head`: request line and headers, without Host and Content-Length.

        Raises:
            ConnectionLost: nobody knows whether the request was executed.
        """
        message = f"{head}Host: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        try:
            async with asyncio.timeout(seconds_max):
                return await self._send(message)
        except (OSError, TimeoutError) as error:
            raise ConnectionLost(type(error).__name__) from None
        finally:
            # A response that comes later must not be taken for that of the next request.
            if self._protocol is not None and not self._is_answered():
                self.close()

    async def _send(self, message: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        if self._protocol is None or self._protocol.transport is None:
            _, self._protocol = await loop.create_connection(_Protocol, self._host, self._port)
        protocol = self._protocol
        protocol.answered = loop.create_future()
        if protocol.transport is None:
            raise ConnectionLost("closed")
        protocol.transport.write(message)
        return await protocol.answered

    def _is_answered(self) -> bool:
        answered = self._protocol.answered if self._protocol is not None else None
        return answered is not None and answered.done() and not answered.cancelled()

    def close(self) -> None:
        """Close the connection."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None
