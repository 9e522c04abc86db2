"""The manifest of a month, a JSON file beside the file with the events; names of both files in their folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from premade.postgres.event_archive.errors import ArchiveFailed
from premade.runtime.month import MONTH_PATTERN, Month

_NAME = re.compile(rf"premade-events-({MONTH_PATTERN})\.jsonl\.gz")


@dataclass(frozen=True)
class ArchiveManifest:
    """Numbers and digests of the file of a month, and the version that wrote it."""

    manifest_version: Literal[1]
    month: str
    """`2025-12`, in UTC."""
    written_at: str
    """RFC 3339."""
    premade_version: str
    rows: int
    first_event_id: int
    last_event_id: int
    last_transaction_id: int
    events: Mapping[str, int]
    """Number of events by name."""
    blocks: int
    lines_bytes: int
    """Size of the decompressed lines."""
    lines_sha256: str
    """Of the decompressed lines."""
    file_bytes: int
    file_sha256: str


_JSON = TypeAdapter(ArchiveManifest)


def events_path(folder: Path, month: Month) -> Path:
    """Return the path of the month's events."""
    return folder / f"premade-events-{month}.jsonl.gz"


def manifest_path(folder: Path, month: Month) -> Path:
    """Return the path of the month's manifest."""
    return folder / f"premade-events-{month}.manifest.json"


def manifest_as_json(manifest: ArchiveManifest) -> bytes:
    """Return the content of the manifest's file."""
    return _JSON.dump_json(manifest, indent=2) + b"\n"


def read_manifest(folder: Path, month: Month) -> ArchiveManifest:
    """Return the manifest of a month.

    Raises:
        ArchiveFailed: there is none, or it is not of this month and version.
    """
    path = manifest_path(folder, month)
    try:
        manifest = _JSON.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArchiveFailed("no_file", month=month, path=path) from None
    except ValidationError:
        raise ArchiveFailed("manifest_unreadable", path=path) from None
    if manifest.month != str(month):
        raise ArchiveFailed("manifest_unreadable", path=path)
    return manifest


def months_in(folder: Path) -> list[Month]:
    """Return the months whose events are in the folder, oldest first."""
    names = (_NAME.fullmatch(path.name) for path in folder.glob("premade-events-*"))
    return sorted(Month.read(name[1]) for name in names if name)
