"""Spool a long answer in an unnamed temporary file.

The file is filled as fast as the database delivers, and sent as fast as the client reads. So a slow client holds no
connection to the database.
"""

import asyncio
import os
import tempfile
import threading
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from premade.runtime.errors import Unavailable

PIECE_BYTES = 64 * 1024
AHEAD_BYTES_MAX = 256 * 1024 * 1024
"""Maximum size of the unsent part; beyond it the producer waits for the client."""
_COMPRESSION_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


class NoRoomForFile(Unavailable):
    """The service cannot write the temporary file for this response."""

    code = "NO_ROOM_FOR_FILE"
    retry_after_seconds = 30


class Spool:
    """One answer. A context manager: it creates the file, and removes it at the end."""

    def __init__(self, pieces: AsyncGenerator[bytes], *, is_compressed: bool) -> None:
        """`is_compressed`: with gzip."""
        self._pieces = pieces
        self._compressor = zlib.compressobj(_COMPRESSION_LEVEL, wbits=_GZIP) if is_compressed else None
        self._written_bytes = 0
        self._sent_bytes = 0
        self._has_begun = False
        self._changed = asyncio.Event()
        self._in_use = threading.Lock()
        """A thread goes on after its task was cancelled. The lock keeps the file open for it."""

    async def __aenter__(self) -> Self:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed in __aexit__)
        except OSError as error:
            raise NoRoomForFile from error
        self._filling = asyncio.create_task(self._fill())
        self._filling.add_done_callback(lambda _: self._wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._filling.cancel()
        await asyncio.wait([self._filling])
        if not self._filling.cancelled():
            self._filling.exception()
        await asyncio.to_thread(self._close)

    async def begun(self) -> None:
        """Wait for the first piece. Raises the error of the producer if it failed before."""
        while not self._has_begun and not self._filling.done():
            await self._change()
        if self._filling.done():
            await self._filling

    async def sent(self) -> AsyncGenerator[bytes]:
        """Yield the whole answer in pieces of at most PIECE_BYTES. Raises the error of the producer."""
        while True:
            left = self._written_bytes - self._sent_bytes
            if left:
                piece = await asyncio.to_thread(self._read, min(left, PIECE_BYTES), self._sent_bytes)
                yield piece
                self._sent_bytes += len(piece)
                self._wake()
            elif self._filling.done():
                await self._filling
                return
            else:
                await self._change()

    async def _fill(self) -> None:
        try:
            async with aclosing(self._pieces):
                async for piece in self._pieces:
                    # In a thread, so that the event loop goes on answering requests.
                    await asyncio.to_thread(self._write, piece)
                    self._has_begun = True
                    self._wake()
                    while self._written_bytes - self._sent_bytes > AHEAD_BYTES_MAX:
                        await self._change()
            await asyncio.to_thread(self._write_end)
        except OSError as error:
            raise NoRoomForFile from error

    def _write(self, piece: bytes) -> None:
        with self._in_use:
            self._append(piece if self._compressor is None else self._compressor.compress(piece))

    def _write_end(self) -> None:
        with self._in_use:
            self._append(b"" if self._compressor is None else self._compressor.flush())

    def _read(self, bytes_max: int, position: int) -> bytes:
        with self._in_use:
            return os.pread(self._file.fileno(), bytes_max, position)

    def _close(self) -> None:
        with self._in_use:
            self._file.close()

    def _append(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._written_bytes += len(content)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
