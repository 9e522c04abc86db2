"""How a worker speaks HTTP: uvicorn's protocol, with each answer sent in one piece, and with an end to all that a
client may send before anybody knows who it is.

uvicorn writes the head and the body of an answer apart, and uvloop sends each at once: two system calls, and
a client that is woken twice.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from premade.base.edge import REQUEST_ID_BYTES
from premade.base.errors import FieldError, Invalid
from premade.base.logs import log
from premade.base.problems import problem_of, transport_problem

JOINED_BYTES_MAX = 64 * 1024
"""From here on it is sent at once: only then does the transport tell an answer to wait for its client."""
HEAD_BYTES_MAX = 64 * 1024
"""Of the path, the query and the headers; of the trailers behind a body again."""
HEAD_SECONDS_MAX = 30
"""For the request line and the headers, from the first of their bytes or from when the client connected."""
LINGER_BYTES_MAX = 16 * 1024 * 1024
"""What a client may still send after its answer. It is not kept."""
LINGER_SECONDS_MAX = 2
_CONNECT = b"CONNECT"


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

    def write_eof(self) -> None:
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        written, self._written, self._bytes = self._written, [], 0
        if written and not self._transport.is_closing():
            self._transport.write(b"".join(written))


class _HeadTooLarge(Exception):
    """The head of a request has more than HEAD_BYTES_MAX."""


def _too_large(request_id: str) -> Response:
    detail = f"The path, the query and the headers are larger than {HEAD_BYTES_MAX} bytes"
    return transport_problem(431, detail, path="", request_id=request_id)


def _malformed(request_id: str) -> Response:
    wrong = FieldError("#", "This is no request of HTTP/1.1: check its method, its path and its headers")
    return problem_of(Invalid([wrong]), path="", request_id=request_id)


_Refusal = Callable[[str], Response]


class Connection(HttpToolsProtocol):
    """One client's connection."""

    _held_bytes = 0
    """So much has come since the parser last gave something away: at most this does it hold."""
    _lingering_bytes = 0
    _is_in_body = False
    _takes_no_more = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        super().connection_made(_JoinedWrites(transport, self.loop))  # pyright: ignore[reportArgumentType]
        self._end_after(HEAD_SECONDS_MAX)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._spare()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._unset_keepalive_if_required()
        if self._takes_no_more:
            if self._deadline is not None:  # else answers are owed
                self._linger(data)
            return
        self._held_bytes += len(data)
        try:
            self._parse(data)
        except HttpParserError as error:
            self._refuse(_too_large if isinstance(error.__context__, _HeadTooLarge) else _malformed)
        except _HeadTooLarge:
            self._refuse(_too_large)
        else:
            self._watch(data)

    def _parse(self, data: bytes) -> None:
        """HttpParserError, _HeadTooLarge.

        An upgrade is not taken, as RFC 9110 allows: the request is read as if it named none.
        """
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                # The parser leaves what follows such a head to the other protocol; another one does not.
                head = self._head_without_upgrade()
                self.parser = HttpRequestParser(self)
                # As uvicorn does it.
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                break
        if self._held_bytes > HEAD_BYTES_MAX:
            raise _HeadTooLarge

    def _head_without_upgrade(self) -> bytes:
        request = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % request, *kept, b"", b""])

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        # They are counted one by one only when so much has come that they may be too large.
        if self._held_bytes > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise _HeadTooLarge
        if self._is_to_be_read_again():
            return
        super().on_headers_complete()
        self._held_bytes = self._lingering_bytes = 0
        self._is_in_body = True
        # The request has its list. What is found from here on are trailers, which nobody may take for headers.
        self.headers = []

    def _head_bytes(self) -> int:
        """As they are sent: after a name comes a colon, after a value the line's end."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _is_to_be_read_again(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != _CONNECT

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._held_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._is_to_be_read_again():
            return
        super().on_message_complete()
        self._held_bytes = 0
        self._is_in_body = False
        self._spare()

    def _watch(self, data: bytes) -> None:
        """Whatever is incomplete while no answer is being made has an end."""
        if self._is_answering():
            self._spare()
        elif self._is_in_body:
            self._linger(data)
        elif self._held_bytes:
            self._end_after(HEAD_SECONDS_MAX)
        elif not self.transport.is_closing():
            # A body that came to its end after its answer: uvicorn has stopped waiting for the next request.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _linger(self, data: bytes) -> None:
        """Closing at once would reset the connection, and many clients would lose the answer with it."""
        self._lingering_bytes += len(data)
        if self._lingering_bytes > LINGER_BYTES_MAX:
            self.transport.close()
        else:
            self._end_after(LINGER_SECONDS_MAX)

    def _end_after(self, seconds: float) -> None:
        """Unless there is an end already: one that every byte puts off is none."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _spare(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, how: _Refusal) -> None:
        """Nothing more is read. Answers that are owed to earlier requests are given."""
        self._takes_no_more = True
        self._spare()
        if self._is_answering():
            if self.pipeline or not self._is_in_body or self.cycle.response_started:
                self.shutdown()
                return
            # Its own request: to whoever is reading it, the client has gone away.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._is_in_body:
            self.transport.close()
            return
        self._answer(how)

    def _answer(self, how: _Refusal) -> None:
        request_id = os.urandom(REQUEST_ID_BYTES).hex()
        answer = how(request_id)
        log.warning("http.refused", status=answer.status_code, request_id=request_id)
        headers = [
            *self.server_state.default_headers,
            *answer.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body]))
        self.transport.write_eof()
        self._linger(b"")
