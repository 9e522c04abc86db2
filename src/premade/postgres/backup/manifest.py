"""The manifest of a backup: a JSON file beside the dump."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from premade.postgres.backup.contents import TableContents
from premade.postgres.backup.errors import RestoreFailed

SUFFIX = ".manifest.json"
_READ_BYTES = 2**20


@dataclass(frozen=True)
class Manifest:
    """What a backup contains, and what made it."""

    manifest_version: Literal[1]
    taken_at: str
    """Time of the snapshot, RFC 3339. Everything later is not in the backup."""
    premade_version: str
    server_version: int
    """Major version of the server."""
    pg_dump_version: int
    migrations: list[str]
    """Names of the applied migrations."""
    dump_bytes: int
    dump_sha256: str
    tables: Mapping[str, TableContents]

    @property
    def rows(self) -> int:
        """Number of rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    def differences(self, contents: Mapping[str, TableContents]) -> list[str]:
        """Return the names of the tables that differ from these contents or exist only on one side."""
        names = sorted(self.tables.keys() | contents.keys())
        return [name for name in names if self.tables.get(name) != contents.get(name)]


_JSON = TypeAdapter(Manifest)


def manifest_path(dump: Path) -> Path:
    """Return the path of a dump's manifest."""
    return dump.with_name(dump.name + SUFFIX)


def manifest_as_json(manifest: Manifest) -> bytes:
    """Return the content of the file."""
    return _JSON.dump_json(manifest, indent=2) + b"\n"


def read_manifest(dump: Path) -> Manifest | None:
    """Return the manifest of a dump, or None if it has none.

    Raises:
        RestoreFailed: it is not a manifest of this version.
    """
    path = manifest_path(dump)
    try:
        return _JSON.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise RestoreFailed("manifest_unreadable", path=path) from None


def size_of(path: Path) -> int:
    """Return the size of a file, in bytes."""
    return path.stat().st_size


def sha256_of(path: Path, report: Callable[[int], None]) -> str:
    """Return the digest of a file, in hexadecimal. `report` is called with the number of bytes read so far."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while portion := file.read(_READ_BYTES):
            digest.update(portion)
            report(file.tell())
    return digest.hexdigest()
