"""An answer that is made while it is sent, compressed on the way: however long it is, little of it is held at once."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from premade.base.errors import DomainError
from premade.base.logs import log

SEND_SECONDS_MAX = 20
"""A client that takes nothing for so long has gone."""
_COMPRESSION_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Stream:
    """An answer in pieces, of some 100 KB each at most."""

    pieces: AsyncGenerator[bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_compressed: bool = True
    """With gzip. What a person saves with a simple client is better sent as it is, unless asked for."""


async def begin_answer(stream: Stream) -> Response:
    """The answer, once its first piece is there: until then a refusal is still an answer of its own."""
    return _StreamedAnswer(await anext(stream.pieces), stream)


class _StreamedAnswer(Response):
    """Ends whatever makes the pieces as soon as the client has gone."""

    def __init__(self, first: bytes, stream: Stream) -> None:
        self.status_code = 200
        self.background = None
        self._first = first
        self._pieces = stream.pieces
        self._is_compressed = stream.is_compressed
        self.raw_headers = [
            (b"content-type", stream.media_type.encode()),
            *([(b"content-encoding", b"gzip")] if stream.is_compressed else []),
            *((name.lower().encode(), value.encode()) for name, value in stream.headers.items()),
        ]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Plain ASGI. What breaks off in the middle is left without its end, by which a client knows."""
        gone = asyncio.create_task(_client_gone(receive))
        try:
            async with aclosing(self._pieces):
                await _send(
                    send,
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers},
                )
                await (self._send_compressed if self._is_compressed else self._send_plain)(send, gone)
        except DomainError as error:
            log.warning("http.stream_broken_off", code=error.code, detail=error.detail)
        finally:
            gone.cancel()

    async def _send_compressed(self, send: Send, gone: asyncio.Task[None]) -> None:
        compressor = zlib.compressobj(_COMPRESSION_LEVEL, wbits=_GZIP)
        piece: bytes | None = self._first
        while piece is not None:
            # Beside the event loop: other requests are answered meanwhile.
            compressed = await asyncio.to_thread(compressor.compress, piece)
            if gone.done():
                raise ClientDisconnect
            if compressed:
                await _send(send, {"type": "http.response.body", "body": compressed, "more_body": True})
            piece = await anext(self._pieces, None)
        await _send(send, {"type": "http.response.body", "body": compressor.flush()})

    async def _send_plain(self, send: Send, gone: asyncio.Task[None]) -> None:
        piece: bytes | None = self._first
        while piece is not None:
            if gone.done():
                raise ClientDisconnect
            await _send(send, {"type": "http.response.body", "body": piece, "more_body": True})
            piece = await anext(self._pieces, None)
        await _send(send, {"type": "http.response.body", "body": b""})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS_MAX):
            await send(message)
    except TimeoutError:
        raise ClientDisconnect from None
