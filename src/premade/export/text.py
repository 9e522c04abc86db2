"""Exports for whoever asks over HTTP, and the lines of text also for the command: made piece by piece."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, BinaryIO

from premade.base.errors import Unavailable
from premade.base.turns import turn
from premade.base.work import Database
from premade.base.world import World
from premade.export.rows import Export, Exporter, Row, Selection, read_export, record_export

AT_ONCE_MAX = 1
"""In each process; it keeps a connection for as long as its client takes to read."""
PIECE_ROWS = 250
"""Some 100 KB, and some milliseconds of the event loop."""
PIECE_BYTES = 100_000
_BUSY = "As many exports as this process allows at once are being read."


class ExportsBusy(Unavailable):
    """As many exports are being read from this process as it allows at once. This one was not begun."""

    code = "EXPORTS_BUSY"
    title = "Another export is being read"
    remedy = "Try again after Retry-After seconds."
    retry_after_seconds = 5


@dataclass(frozen=True)
class TextForm:
    """A format of lines: what it begins with for these columns, and the lines of some rows."""

    media_type: str
    suffix: str
    head: Callable[[Sequence[str]], bytes]
    lines: Callable[[Sequence[Row]], bytes]


async def recorded(
    pieces: AsyncGenerator[bytes], record: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes]:
    """Yield the pieces, once `record` has written that they leave: no export goes out that is not in the record, and one
    that is refused is not in it.
    """
    async with aclosing(pieces):
        first = await anext(pieces)
        await record()
        yield first
        async for piece in pieces:
            yield piece


WriteFile = Callable[[Export, BinaryIO], Awaitable[None]]
"""Writes an export that is no text into a file."""


class Exports:
    """What answering with exports needs."""

    def __init__(self, database: Database, world: World) -> None:
        self._database = database
        self._world = world
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def record(self, wanted: Selection, exporter: Exporter, **data: Any) -> None:
        """Write this export into the record."""
        await record_export(self._database, self._world, wanted, exporter, **data)

    async def pieces(self, form: TextForm, wanted: Selection) -> AsyncGenerator[bytes]:
        """The export, in pieces of whole lines. ExportsBusy, BatchUnknown before the first piece; DatabaseAway or
        Busy at any.
        """
        async with (
            turn(self._turns, ExportsBusy(_BUSY)),
            read_export(self._database, wanted) as export,
            aclosing(_pieces(form, export)) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def pieces_of_file(self, write: WriteFile, wanted: Selection) -> AsyncGenerator[bytes]:
        """The export once it is written whole, into a file without a name. ExportsBusy, BatchUnknown, and the refusals of
        `write`, before the first piece.
        """
        with tempfile.TemporaryFile() as file:
            async with turn(self._turns, ExportsBusy(_BUSY)), read_export(self._database, wanted) as export:
                await write(export, file)
            file.seek(0)
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece


async def _pieces(form: TextForm, export: Export) -> AsyncGenerator[bytes]:
    """What it begins with goes out with the first tickets, so that what fails before them is still refused whole."""
    head = form.head(export.columns)
    async for rows in export.portions:
        for start in range(0, len(rows), PIECE_ROWS):
            yield head + form.lines(rows[start : start + PIECE_ROWS])
            head = b""
    if head or not export.batch.tickets:
        yield head


async def write_text(form: TextForm, export: Export, out: BinaryIO, tell: Callable[[int], None]) -> None:
    """The export into a file; `tell` hears how many tickets each step took."""
    out.write(form.head(export.columns))
    async for rows in export.portions:
        out.write(form.lines(rows))
        tell(len(rows))
