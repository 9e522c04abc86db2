"""A dump in pg_dump's custom format: its list of entries, and its rows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from premade.postgres.backup.contents import Report
from premade.postgres.backup.programs import Programs, output_of

_DUMPED_BY = re.compile(rb"^;\s+Dumped by pg_dump version: (\d+)", re.MULTILINE)
_COPY = re.compile(rb"COPY (.+?) \(.*\) FROM stdin;\n")
_END_OF_COPY = b"\\.\n"
_MAGIC = b"PGDMP"


@dataclass(frozen=True)
class ArchiveList:
    """The list of a dump. `entries`: number of its entries. `dumped_by`: major version of pg_dump."""

    entries: int
    dumped_by: int


def is_archive(file: Path) -> bool:
    """Return whether the file begins like a dump in the custom format."""
    with file.open("rb") as dump:
        return dump.read(len(_MAGIC)) == _MAGIC


def read_list(programs: Programs, file: Path) -> ArchiveList:
    """Read the list of entries. Raises ProgramUnusable: the file is damaged or from a newer pg_dump."""
    with output_of([programs.folder / "pg_restore", "--list", file]) as output:
        text = output.read()
    entries = sum(not line.startswith(b";") for line in text.splitlines())
    dumped_by = _DUMPED_BY.search(text)
    return ArchiveList(entries, int(dumped_by[1]) if dumped_by else 0)


def count_rows(programs: Programs, file: Path, tables: int, report: Report) -> Mapping[str, int]:
    """Read the whole dump, and return the number of rows by table. `tables`: the expected number of tables.

    Raises:
        ProgramUnusable: the file is damaged.
    """
    rows: dict[str, int] = {}
    with output_of([programs.folder / "pg_restore", "--data-only", "--file=-", file]) as lines:
        for line in lines:
            if copy := _COPY.fullmatch(line):
                name = copy[1].decode()
                report("Read the dump", len(rows), tables)
                rows[name] = _rows_of_table(lines)
    return rows


def _rows_of_table(lines: IO[bytes]) -> int:
    """Read to the end of a table's data, or of a damaged dump. pg_dump escapes line breaks in values, so a line is a row."""
    rows = 0
    while (line := lines.readline()) not in (_END_OF_COPY, b""):
        rows += line.endswith(b"\n")
    return rows
