"""Streamed answers: produced, compressed and sent piece by piece, so that memory stays bounded."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from premade.http.spool import Spool
from premade.runtime.errors import DomainError
from premade.runtime.logging import log
from premade.texts.translation import ENGLISH

SEND_SECONDS_MAX = 20
"""A client that reads less than one piece in this time (some 3 KB a second) is cut off."""
ANSWER_SECONDS_MAX = 3_600
"""Maximum time for the whole answer."""


@dataclass(frozen=True)
class Stream:
    """The pieces of an answer, each about 100 KB at most."""

    pieces: AsyncGenerator[bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_compressed: bool = True
    """Compress with gzip."""
    place: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    """Context that is held until the answer is sent; it limits how many there are at once."""


async def begin_answer(stream: Stream) -> "StreamedAnswer":
    """Wait for the first piece and return the answer. An error before the first piece still gets its own status."""
    async with AsyncExitStack() as resources:
        resources.push_async_callback(stream.pieces.aclose)
        await resources.enter_async_context(stream.place())
        spool = await resources.enter_async_context(Spool(stream.pieces, is_compressed=stream.is_compressed))
        await spool.begun()
        return StreamedAnswer(stream, spool, resources.pop_all())


class StreamedAnswer(Response):
    """A streamed answer. It stops the producer when the client disconnects."""

    def __init__(self, stream: Stream, spool: Spool, resources: AsyncExitStack) -> None:
        """`resources` are closed when the answer is sent."""
        self.status_code = 200
        self.background = None
        self._spool = spool
        self._resources = resources
        self.raw_headers = [
            (b"content-type", stream.media_type.encode()),
            *([(b"content-encoding", b"gzip")] if stream.is_compressed else []),
            *((name.lower().encode(), value.encode()) for name, value in stream.headers.items()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer. If it breaks off, the final chunk is missing, so that the client notices."""
        start: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        async with self._resources:
            await _send(send, start)
            if scope.get("method") == "HEAD":
                await _send(send, {"type": "http.response.body", "body": b""})
                return
            gone = asyncio.create_task(_client_gone(receive))
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await self._send_all(send, gone)
            except TimeoutError:
                log.info("http.stream_too_slow", seconds=ANSWER_SECONDS_MAX)
            except DomainError as error:
                log.warning("http.stream_broken_off", code=error.code, detail=error.detail_in(ENGLISH))
            finally:
                gone.cancel()

    async def _send_all(self, send: Send, gone: asyncio.Task[None]) -> None:
        async with aclosing(self._spool.sent()) as pieces:
            async for piece in pieces:
                if gone.done():
                    raise ClientDisconnect
                await _send(send, {"type": "http.response.body", "body": piece, "more_body": True})
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
