"""QR pictures of a batch: a ZIP with a PNG for each ticket, written in portions."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from premade.export.rows import Export, ExportRow
from premade.tickets import picture

MODULE_PIXELS = 8
"""A picture of 392 pixels: 33 mm at 300 dots an inch."""


async def write_pictures(
    export: Export, out: BinaryIO, made_at: datetime, report: Callable[[int], None]
) -> None:
    """Write `<ticket_code>.png` for each row. `made_at`: the time of the files, in UTC."""
    # Stored: a PNG is compressed already.
    with ZipFile(out, "w", ZIP_STORED) as archive:
        # In a thread, so that the event loop stays free for other requests.
        async for rows in export.portions:
            await asyncio.to_thread(_add, archive, rows, made_at, is_sample=export.batch.is_test)
            report(len(rows))


def _add(archive: ZipFile, rows: Sequence[ExportRow], made_at: datetime, *, is_sample: bool) -> None:
    for row in rows:
        entry = ZipInfo(f"{row.ticket_code}.png", made_at.timetuple()[:6])
        entry.external_attr = 0o600 << 16
        archive.writestr(entry, picture.png(row.qr_token, MODULE_PIXELS, is_sample=is_sample))
