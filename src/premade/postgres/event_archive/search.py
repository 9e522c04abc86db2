"""Search the file of a month."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from premade.postgres.event_archive.block_file import BlocksRead, lines_of
from premade.postgres.event_archive.errors import ArchiveFailed
from premade.postgres.event_archive.events import value_key
from premade.postgres.event_archive.manifest import events_path
from premade.runtime.month import Month


def search_month(
    folder: Path, month: Month, values: Mapping[str, str | int], read: BlocksRead | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events of a month that have all these values, in the order of their ids. `values`: by name of SEARCH_COLUMNS.

    Raises:
        ArchiveFailed: the file is missing or damaged.
    """
    path = events_path(folder, month)
    if not path.is_file():
        raise ArchiveFailed("no_file", month=month, path=path)
    keys = [value_key(column, value) for column, value in values.items()]
    for line in lines_of(path, keys, read):
        event = orjson.loads(line)
        if all(event[column] == value for column, value in values.items()):
            yield event
