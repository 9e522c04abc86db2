"""How a worker speaks HTTP: uvicorn's protocol, with each answer sent in one piece, and with an end to all that a
client may send before anybody knows who it is.

uvicorn writes the head and the body of an answer apart, and uvloop sends each at once: two system calls, and
a client that is woken twice.
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
"""For the request line and the headers, from the first of their bytes or from when the client connected."""
LINGER_BYTES_MAX = 16 * 1024 * 1024
"""What a client may still send after its answer. It is not kept."""
LINGER_SECONDS_MAX = 2
REFUSED_AT_ONCE_MAX = 64
"""Connections over the limit that get a 503; any beyond these are closed at once."""
_CONNECT = b"CONNECT"
_BLANKS = b" \t"


class _UntilClosed(RequestResponseCycle):
    """One request of an HTTP/1.0 client and its answer: a body of unknown length ends with the connection.

    Such a client does not know chunks (RFC 9112, 6.1 and 6.3).
    """

    _is_open_ended = False

    async def send(self, message: Any) -> None:
        """As ASGI has it. uvicorn writes a body as it is when it believes that its length is known."""
        if message["type"] == "http.response.start":
            if not any(name.lower() == b"content-length" for name, _ in message.get("headers", [])):
                self._is_open_ended, self.chunked_encoding = True, False
        elif self._is_open_ended:
            is_last = not message.get("more_body", False)
            self.expected_content_length = len(message.get("body", b"")) if is_last else sys.maxsize
        await super().send(message)


class Connection(HttpToolsProtocol):
    """One client's connection."""

    _held_bytes = 0
    """So much has come since the parser last gave something away: at most this does it hold."""
    _lingering_bytes = 0
    _is_in_body = False
    _takes_no_more = False
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
        """`clients` counts the connections of the process; without it there is no limit."""
        super().__init__(config, server_state, app_state, _loop)
        self._clients = clients or Clients()
        self._address = ""

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        self._writes = JoinedWrites(transport, self.loop)
        super().connection_made(self._writes)  # pyright: ignore[reportArgumentType]
        self._address = self.client[0] if self.client else ""
        if self._clients.enter(self._address):
            self._end_after(self._clients.head_seconds_max or HEAD_SECONDS_MAX)
        elif self._clients.excess > REFUSED_AT_ONCE_MAX:
            self.transport.abort()
        else:
            self._takes_no_more = True
            self._answer(too_many_connections, is_logged=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._clients.leave(self._address)
        self._spare()
        super().connection_lost(exc)
        self._writes.unwatch()

    def pause_writing(self) -> None:
        """Called by the transport when its client is slow to take what is written."""
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
        """Called by the event loop, with up to 256 KB.

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
        if self._takes_no_more:
            if self._deadline is not None:  # else answers are owed
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
        """HttpParserError, HeadTooLarge.

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
            raise HeadTooLarge

    def _head_without_upgrade(self) -> bytes:
        request = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([b"%b %b HTTP/%b" % request, *kept, b"", b""])

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, which does not strip blanks after a value (RFC 9112, 5)."""
        if value.endswith((b" ", b"\t")):
            value = value.rstrip(_BLANKS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        # They are counted one by one only when so much has come that they may be too large.
        if self._held_bytes > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise HeadTooLarge
        version = self.parser.get_http_version()
        check_head(self.headers, version)
        if self._is_to_be_read_again():
            return
        if version == "1.0":
            # An expectation of such a client is ignored (RFC 9110, 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()
        if version == "1.0":
            # uvicorn has no setting for this class. The task of the request has not started yet.
            self.cycle.__class__ = _UntilClosed
        if self._clients.is_draining:
            self._make_last()
        self._held_bytes = self._lingering_bytes = 0
        self._is_in_body = True
        # The request has its list. What is found from here on are trailers, which nobody may take for headers.
        self.headers = []

    def _make_last(self) -> None:
        """End the connection with the answer of the newest request, not with an earlier one that has not started."""
        if self._last is not None and self._last is not self.cycle and not self._last.response_started:
            self._last.keep_alive = True
        if self.cycle.keep_alive:
            self.cycle.keep_alive = False
            self._last = self.cycle

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
            self._end_after(self._clients.head_seconds_max or HEAD_SECONDS_MAX)
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

    def _refuse(self, how: Refusal) -> None:
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

    def _answer(self, how: Refusal, *, is_logged: bool = True) -> None:
        request_id = os.urandom(REQUEST_ID_BYTES).hex()
        answer = how(request_id)
        if is_logged:
            log.warning("http.refused", status=answer.status_code, request_id=request_id)
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
