"""The HTTP protocol of a worker: uvicorn's, with joined writes, and with limits of size and time for each request.

uvicorn writes the head and the body of an answer separately, and uvloop sends each at once. That costs two system calls
and wakes the client twice.
"""

import asyncio
import os
import sys
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from premade.http.connection_limits import Clients
from premade.http.gateway import REQUEST_ID_BYTES, UNCACHED
from premade.http.request_head import (
    HEAD_BYTES_MAX,
    HeadTooLarge,
    Refusal,
    check_head,
    refusal_of,
    too_many_connections,
)
from premade.http.write_buffer import JoinedWrites
from premade.runtime.logging import log

SLICE_BYTES = 16 * 1024
HEAD_SECONDS_MAX = 30
"""Limit for the request line and the headers, from their first byte, or from the start of the connection."""
LINGER_BYTES_MAX = 16 * 1024 * 1024
"""Limit for what a client still sends after its answer. It is discarded."""
LINGER_SECONDS_MAX = 2
REFUSED_AT_ONCE_MAX = 64
"""Connections over the limit that get a 503 at the same time. Further ones are closed at once."""
_CONNECT = b"CONNECT"
_BLANKS = b" \t"


class _UntilClosed(RequestResponseCycle):
    """A request of an HTTP/1.0 client and its answer. The end of the connection ends a body of unknown length.

    Such a client does not know chunked bodies (RFC 9112, 6.1 and 6.3).
    """

    _is_open_ended = False

    async def send(self, message: Any) -> None:
        """Send an ASGI message. uvicorn sends a body without chunks if it knows a length, so give it one."""
        if message["type"] == "http.response.start":
            if not any(name.lower() == b"content-length" for name, _ in message.get("headers", [])):
                self._is_open_ended, self.chunked_encoding = True, False
        elif self._is_open_ended:
            is_last = not message.get("more_body", False)
            self.expected_content_length = len(message.get("body", b"")) if is_last else sys.maxsize
        await super().send(message)


class Connection(HttpToolsProtocol):
    """One client's connection. The event loop and the parser call its methods without an underscore."""

    _held_bytes = 0
    """Bytes received since the parser last reported something: at most this much it holds."""
    _lingering_bytes = 0
    _is_in_body = False
    _is_refused = False
    _deadline: asyncio.TimerHandle | None = None
    _last: RequestResponseCycle | None = None
    """The request after whose answer the connection closes, because the process is stopping."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        clients: Clients | None = None,
    ) -> None:
        """`clients` counts the connections of the process and limits them; None: no limit."""
        super().__init__(config, server_state, app_state, _loop)
        self._clients = clients or Clients()
        self._address = ""

    def connection_made(self, transport: Any) -> None:
        """Count the connection. Set its deadline, or refuse it."""
        self._writes = JoinedWrites(transport, self.loop)
        super().connection_made(self._writes)  # pyright: ignore[reportArgumentType]
        self._address = self.client[0] if self.client else ""
        if self._clients.enter(self._address):
            self._set_deadline(self._clients.head_seconds_max or HEAD_SECONDS_MAX)
        elif self._clients.excess > REFUSED_AT_ONCE_MAX:
            self.transport.abort()
        else:
            self._is_refused = True
            self._answer(too_many_connections, is_logged=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection and watching its writes."""
        self._clients.leave(self._address)
        self._cancel_deadline()
        super().connection_lost(exc)
        self._writes.unwatch()

    def pause_writing(self) -> None:
        """Watch whether the client still reads: it is slow to take what is written."""
        super().pause_writing()
        self._writes.watch()

    def end_when_answered(self, *, is_idle_over: bool) -> None:
        """Close the connection after its last pending answer; close an idle one only when `is_idle_over`."""
        if self._is_answering():
            self._make_last()
        elif is_idle_over and not self._held_bytes and not self._is_in_body:
            self.transport.close()

    def waits_for_client(self) -> bool:
        """Return whether the connection waits for the client to send or to read something."""
        return (
            self.transport.is_closing()
            or self._is_in_body
            or not self._is_answering()
            or self.flow.write_paused
        )

    def data_received(self, data: bytes) -> None:
        """Parse up to 256 KB.

        The parser counts header bytes only from its next call on. A large packet is therefore parsed in slices, so that
        trailers in one packet with their body are counted too.
        """
        if len(data) <= HEAD_BYTES_MAX:
            self._take(data)
            return
        for start in range(0, len(data), SLICE_BYTES):
            self._take(data[start : start + SLICE_BYTES])

    def _take(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_refused:
            if self._deadline is not None:  # otherwise an answer is still to be sent
                self._linger(data)
            return
        self._held_bytes += len(data)
        try:
            self._parse(data)
        except HttpParserError as error:
            self._refuse(refusal_of(error.__context__))
        except HeadTooLarge as error:
            self._refuse(refusal_of(error))
        else:
            self._watch(data)

    def _parse(self, data: bytes) -> None:
        """Give the data to the parser. Ignore a request to upgrade, as RFC 9110 allows.

        Raises:
            HttpParserError: it is not HTTP.
            HeadTooLarge: the head has more than HEAD_BYTES_MAX.
        """
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                # After an upgrade the parser reads no further. So a new one reads the head again, without the upgrade.
                head = self._head_without_upgrade()
                self.parser = HttpRequestParser(self)
                # As uvicorn sets it.
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                break
        if self._held_bytes > HEAD_BYTES_MAX:
            raise HeadTooLarge

    def _head_without_upgrade(self) -> bytes:
        request = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        headers = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % request, *headers, b"", b""])

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header without the blanks after its value, which the parser does not strip (RFC 9112, 5)."""
        if value.endswith((b" ", b"\t")):
            value = value.rstrip(_BLANKS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and start the request."""
        # Count the headers exactly only if enough bytes arrived that they may be too large.
        if self._held_bytes > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise HeadTooLarge
        version = self.parser.get_http_version()
        check_head(self.headers, version)
        if self._asks_for_upgrade():
            return
        if version == "1.0":
            # `Expect` of an HTTP/1.0 client is ignored (RFC 9110, 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()
        if version == "1.0":
            # uvicorn has no setting for this class. The task of the request has not started yet.
            self.cycle.__class__ = _UntilClosed
        if self._clients.is_draining:
            self._make_last()
        self._held_bytes = self._lingering_bytes = 0
        self._is_in_body = True
        # The request keeps its list of headers. The parser now appends trailers to another one.
        self.headers = []

    def _make_last(self) -> None:
        """End the connection with the answer of the newest request, not with an earlier one that has not started."""
        if self._last is not None and self._last is not self.cycle and not self._last.response_started:
            self._last.keep_alive = True
        if self.cycle.keep_alive:
            self.cycle.keep_alive = False
            self._last = self.cycle

    def _head_bytes(self) -> int:
        """Return the size of the path and the headers as they were sent: `name: value` and the end of the line."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _asks_for_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != _CONNECT

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body to the request."""
        self._held_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        if self._asks_for_upgrade():
            return
        super().on_message_complete()
        self._held_bytes = 0
        self._is_in_body = False
        self._cancel_deadline()

    def _watch(self, data: bytes) -> None:
        """Set a deadline for an incomplete request, unless an answer is in progress."""
        if self._is_answering():
            self._cancel_deadline()
        elif self._is_in_body:
            self._linger(data)
        elif self._held_bytes:
            self._set_deadline(self._clients.head_seconds_max or HEAD_SECONDS_MAX)
        elif not self.transport.is_closing():
            # The body ended after its answer. uvicorn no longer waits for the next request then, so start that here.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _linger(self, data: bytes) -> None:
        """Read and discard more of the body. Closing at once would reset the connection, and the answer could be lost."""
        self._lingering_bytes += len(data)
        if self._lingering_bytes > LINGER_BYTES_MAX:
            self.transport.close()
        else:
            self._set_deadline(LINGER_SECONDS_MAX)

    def _set_deadline(self, seconds: float) -> None:
        """Close the connection after this time, unless a deadline is set: further bytes must not postpone it."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, refusal: Refusal) -> None:
        """Stop reading. Send the pending answers of earlier requests, then the refusal."""
        self._is_refused = True
        self._cancel_deadline()
        if self._is_answering():
            if self.pipeline or not self._is_in_body or self.cycle.response_started:
                self.shutdown()
                return
            # This request is in progress: for its endpoint the client has disconnected.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._is_in_body:
            self.transport.close()
            return
        self._answer(refusal)

    def _answer(self, refusal: Refusal, *, is_logged: bool = True) -> None:
        request_id = os.urandom(REQUEST_ID_BYTES).hex()
        answer = refusal(request_id)
        if is_logged:
            log.info("http.refused", status=answer.status_code, request_id=request_id)
        headers = [
            *self.server_state.default_headers,
            *answer.raw_headers,
            *UNCACHED,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", answer.body]))
        self.transport.write_eof()
        self._linger(b"")
