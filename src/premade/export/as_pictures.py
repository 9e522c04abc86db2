"""The QR pictures of a batch, a PNG for each ticket, in one ZIP that is written as it goes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from premade.export.rows import Export, Row
from premade.tickets import picture

MODULE_PIXELS = 8
"""A picture of 392 pixels: 33 mm at 300 dots an inch."""


async def write_pictures(
    export: Export, out: BinaryIO, made_at: datetime, tell: Callable[[int], None]
) -> None:
    """`<ticket_code>.png` for each row. `made_at` is the time that the files say, in UTC."""
    # Stored: a PNG is compressed already.
    with ZipFile(out, "w", ZIP_STORED) as archive:
        # Beside the event loop: a service answers others meanwhile.
        async for rows in export.portions:
            await asyncio.to_thread(_add, archive, rows, made_at, is_sample=export.batch.is_test)
            tell(len(rows))


def _add(archive: ZipFile, rows: Sequence[Row], made_at: datetime, *, is_sample: bool) -> None:
    for row in rows:
        entry = ZipInfo(f"{row['ticket_code']}.png", made_at.timetuple()[:6])
        entry.external_attr = 0o600 << 16
        archive.writestr(entry, picture.png(row["qr_token"], MODULE_PIXELS, is_sample=is_sample))
