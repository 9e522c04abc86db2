"""The QR pictures of a batch, a PNG for each ticket, in one ZIP that is written as it goes."""

from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from premade.export.rows import Export
from premade.tickets import picture

MODULE_PIXELS = 8
"""A picture of 392 pixels: 33 mm at 300 dots an inch."""


async def write_pictures(
    export: Export, out: BinaryIO, made_at: datetime, tell: Callable[[int], None]
) -> None:
    """`<ticket_code>.png` for each row. `made_at` is the time that the files say, in UTC."""
    # Stored: a PNG is compressed already.
    with ZipFile(out, "w", ZIP_STORED) as archive:
        async for rows in export.portions:
            for row in rows:
                entry = ZipInfo(f"{row['ticket_code']}.png", made_at.timetuple()[:6])
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, picture.png(row["qr_token"], MODULE_PIXELS))
            tell(len(rows))
