"""Writes of a connection: join small ones, and close the connection when its client no longer reads."""

import asyncio
import fcntl
import struct
import termios
from typing import Any

JOINED_BYTES_MAX = 64 * 1024
"""Send at once beyond this size, so that the transport can pause an answer to a slow client."""
UNREAD_SECONDS_MAX = 30
UNREAD_BYTES_MIN = 16 * 1024
"""A client that reads less than this in UNREAD_SECONDS_MAX (some 500 bytes a second) is cut off. Nothing else ends a
connection whose client stays and reads nothing."""


class JoinedWrites:
    """A transport that joins all writes of one turn of the event loop and sends them at the turn's end."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        self._bytes = 0
        self._sent_bytes = 0
        self._watching: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn of the event loop, or at once if much is waiting."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)
        self._bytes += len(data)
        if self._bytes >= JOINED_BYTES_MAX:
            self._send()

    def write_eof(self) -> None:
        """Send everything, then close the writing side."""
        self._send()
        self._transport.write_eof()

    def close(self) -> None:
        """Close after everything is sent, or when the client stops reading."""
        self._send()
        self._transport.close()
        self.watch()

    def watch(self) -> None:
        """Watch whether the client reads, until it has read everything."""
        if self._watching is None:
            self._look_again()

    def unwatch(self) -> None:
        """Stop watching: the connection is lost."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _look_again(self) -> None:
        self._watching = self._loop.call_later(UNREAD_SECONDS_MAX, self._look, self._taken_bytes())

    def _look(self, taken_before: int) -> None:
        self._watching = None
        if not self._transport.get_write_buffer_size():
            return
        if self._taken_bytes() - taken_before < UNREAD_BYTES_MIN:
            self._transport.abort()
        else:
            self._look_again()

    def _taken_bytes(self) -> int:
        """Return how many bytes have left both the transport's and the kernel's send buffer."""
        try:
            unsent = fcntl.ioctl(
                self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)
            )
        except OSError:  # closed
            return self._sent_bytes
        return self._sent_bytes - self._transport.get_write_buffer_size() - struct.unpack("i", unsent)[0]

    def _send(self) -> None:
        written, self._written, self._bytes = self._written, [], 0
        if written and not self._transport.is_closing():
            joined = b"".join(written)
            self._sent_bytes += len(joined)
            self._transport.write(joined)
