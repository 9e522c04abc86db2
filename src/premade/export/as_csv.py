"""CSV as RFC 4180 has it: UTF-8, a header, lines that end in CRLF. Every cell that is no number is in quotes."""

import csv
import io
from collections.abc import Sequence

from premade.export.cells import cell, harmless, uses_cell
from premade.export.rows import Row
from premade.export.text import TextForm

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_Cells = Sequence[str | int]


def _lines(rows: Sequence[_Cells]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return text.getvalue().encode()


def _head(columns: Sequence[str]) -> bytes:
    # The names are ours and need no quotes; programs that compare the first line find it as it always was.
    return ",".join(columns).encode() + b"\r\n"


def _exact(row: Row) -> list[str | int]:
    return [cell(value) for value in {**row, "entitlements": uses_cell(row["entitlements"])}.values()]


def _for_people(row: Row) -> list[str | int]:
    return [harmless(value) if isinstance(value, str) else value for value in _exact(row)]


CSV = TextForm("text/csv", "csv", head=_head, lines=lambda rows: _lines([_exact(row) for row in rows]))
"""For programs: each value exactly."""
SPREADSHEET_CSV = TextForm(
    "text/csv",
    "csv",
    head=lambda columns: BYTE_ORDER_MARK + _head(columns),
    lines=lambda rows: _lines([_for_people(row) for row in rows]),
)
"""For people: a byte order mark, without which Excel takes it for another encoding, and nothing that runs as a formula."""
