"""Free space where the data is."""

import os
from collections.abc import Sequence
from pathlib import Path

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result

_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
LOW_BYTES = 5 * _GIB
"""PostgreSQL's write-ahead log alone can take 4 GiB of the embedded database."""
FULL_BYTES = 1 * _GIB
FILES_MIN = 1_000


def in_units(count: int) -> str:
    """Return a number of bytes in its unit: `1.5 GiB`."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def space_of(folder: Path) -> Result:
    """Return the result for the disk of a folder."""
    disk = os.statvfs(folder)
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    # Some file systems have no limit of files.
    if disk.f_files and disk.f_favail < FILES_MIN:
        return result("no_files", place=folder, files=disk.f_favail)
    reason = "full" if free < FULL_BYTES else "low" if free < LOW_BYTES else "ok"
    return result(reason, place=folder, free=in_units(free), total=in_units(total))


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


async def _examine(installation: Installation) -> Sequence[Result]:
    if installation.is_embedded:
        return [space_of(_nearest(installation.settings.database_folder))]
    folder: str | None = None
    if installation.database_if_reached is not None:
        async with installation.database.single_statement() as tx:
            server = await tx.fetch_one(sql.server_settings)
        folder = server and server.data_folder
    try:
        return [space_of(Path(folder)) if folder else result("not_visible")]
    except OSError:
        return [result("not_visible")]


DISK = Check("disk", _examine, Needs.SETTINGS)
