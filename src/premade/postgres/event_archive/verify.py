"""Check the files of a month against their manifest and the database."""

from hashlib import sha256
from pathlib import Path

from premade.postgres.backup.contents import Report
from premade.postgres.backup.manifest import sha256_of, size_of
from premade.postgres.event_archive.archive_sql import ArchivedMonth
from premade.postgres.event_archive.block_file import lines_of
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.events import Summary
from premade.postgres.event_archive.manifest import ArchiveManifest, events_path, read_manifest
from premade.runtime.month import Month


def read_verified(folder: Path, month: Month, row: ArchivedMonth | None, report: Report) -> ArchiveManifest:
    """Read the whole file of a month, and return its manifest.

    `row`: the month in `audit_archives`, or None if it is not there.

    Raises:
        ArchiveFailed: the file is missing or damaged, or it is not the file of the manifest or of the row.
    """
    manifest, path = read_manifest(folder, month), events_path(folder, month)
    if not path.is_file():
        raise ArchiveFailed("no_file", month=month, path=path)
    actual_bytes = size_of(path)
    file_sha256 = sha256_of(path, lambda read: report(f"Verify {month}", read, actual_bytes))
    if (actual_bytes, file_sha256) != (manifest.file_bytes, manifest.file_sha256):
        raise ArchiveFailed("file_damaged", path=path)
    digest, rows, summary = sha256(), 0, Summary()
    for line in lines_of(path):
        digest.update(line + b"\n")
        rows += 1
        summary.add(line)
    if (rows, digest.hexdigest()) != (
        manifest.rows,
        manifest.lines_sha256,
    ) or summary.events != manifest.events:
        raise ArchiveFailed("file_damaged", path=path)
    if row is not None and (row.rows, row.digest) != (manifest.rows, manifest.lines_sha256):
        raise ArchiveFailed("not_of_database", path=path, month=month)
    return manifest
