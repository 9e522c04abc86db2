"""Exports in pieces: text line by line, for HTTP and the command; other files for HTTP."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import BinaryIO

from premade.export.rows import Export, Exporter, ExportRow, TicketsToExport, read_export, record_export
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Unavailable
from premade.runtime.slots import Lane, LaneLimits

READ_AT_ONCE_MAX = 1
"""Exports that a process reads at once for partners, and again for staff. Each holds a connection."""
READ_WAIT_SECONDS_MAX = 15.0
"""Maximum wait for a turn to read the database. Reading a batch takes a second or two, however slow the client is."""
OF_PARTNER_MAX = 1
OF_MEMBER_MAX = 2
AT_ONCE_MAX = 16
"""Exports that a process sends at once: to one partner, to one member of staff, and to all partners or all staff. Each is
a file of up to 50 MB."""
PIECE_ROWS = 250
"""Some 100 KB, and some milliseconds of the event loop."""
PIECE_BYTES = 100_000


class ExportsBusy(Unavailable):
    """The process has reached its limit of simultaneous exports."""

    code = "EXPORTS_BUSY"
    retry_after_seconds = 5


@dataclass(frozen=True)
class TextForm:
    """A line format: functions that return its first line for some columns, and the lines of some rows and columns."""

    name: str
    """For people: in the API document and the console."""
    media_type: str
    suffix: str
    head: Callable[[Sequence[str]], bytes]
    lines: Callable[[Sequence[ExportRow], Sequence[str]], bytes]


async def recorded(
    pieces: AsyncGenerator[bytes], record: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes]:
    """Yield the pieces, and call `record` before the first one: every export that is sent is recorded.

    An export that is refused is not recorded.
    """
    async with aclosing(pieces):
        first = await anext(pieces)
        await record()
        yield first
        async for piece in pieces:
            yield piece


WriteFile = Callable[[Export, BinaryIO], Awaitable[None]]
"""Writes an export in a binary format into a file."""


LIMITS = LaneLimits(AT_ONCE_MAX, READ_AT_ONCE_MAX, READ_WAIT_SECONDS_MAX, ExportsBusy)


class Exports:
    """Exports over HTTP, within the limits of this process."""

    def __init__(self, database: Database, runtime: Runtime, limits: LaneLimits = LIMITS) -> None:
        self._database = database
        self._runtime = runtime
        self._of_partners = Lane(limits, OF_PARTNER_MAX)
        self._of_staff = Lane(limits, OF_MEMBER_MAX)

    def place_of_partner(self, partner_id: int) -> AbstractAsyncContextManager[None]:
        """Take a place for a partner's export until it is sent. Raises ExportsBusy."""
        return self._of_partners.place(partner_id)

    def place_of_staff(self, staff_id: int) -> AbstractAsyncContextManager[None]:
        """Take a place for an export of a member of staff. Staff and partners have separate places."""
        return self._of_staff.place(staff_id)

    async def record(
        self, selection: TicketsToExport, exporter: Exporter, *, form: str, part: int | None = None
    ) -> None:
        """Record this export as an audit event."""
        await record_export(self._database, self._runtime, selection, exporter, form=form, part=part)

    async def pieces(
        self, form: TextForm, selection: TicketsToExport, *, for_staff: bool = False
    ) -> AsyncGenerator[bytes]:
        """Yield the export in pieces of whole lines.

        Raises:
            ExportsBusy: before the first piece; the process is at its limit.
            BatchUnknown: before the first piece.
            DatabaseAway: the connection was lost.
            Busy: no connection was free in time.
        """
        async with (
            (self._of_staff if for_staff else self._of_partners).read(),
            read_export(self._database, selection) as export,
            aclosing(_pieces(form, export)) as pieces,
        ):
            async for piece in pieces:
                yield piece

    async def pieces_of_file(self, write: WriteFile, selection: TicketsToExport) -> AsyncGenerator[bytes]:
        """Write the export of a member of staff into an unnamed file, then yield it in pieces.

        Raises: as `pieces` and `write`, all before the first piece.
        """
        with tempfile.TemporaryFile() as file:
            async with self._of_staff.read(), read_export(self._database, selection) as export:
                await write(export, file)
            file.seek(0)
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece


async def _pieces(form: TextForm, export: Export) -> AsyncGenerator[bytes]:
    # The head goes out with the first rows, so that an earlier failure is still an error response.
    head = form.head(export.columns)
    async for rows in export.portions:
        for start in range(0, len(rows), PIECE_ROWS):
            yield head + form.lines(rows[start : start + PIECE_ROWS], export.columns)
            head = b""
    if head or not export.batch.tickets:
        yield head


async def write_text(form: TextForm, export: Export, out: BinaryIO, report: Callable[[int], None]) -> None:
    """Write the export into a file. `report` is called with the number of tickets after each step."""
    out.write(form.head(export.columns))
    async for rows in export.portions:
        out.write(form.lines(rows, export.columns))
        report(len(rows))
