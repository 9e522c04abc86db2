"""CSV by RFC 4180: UTF-8, a header, lines that end in CRLF. Every cell except numbers is quoted."""

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
    # Column names need no quotes; programs may compare this line, so it stays as it is.
    return ",".join(columns).encode() + b"\r\n"


def _exact(row: Row) -> list[str | int]:
    return [cell(value) for value in {**row, "entitlements": uses_cell(row["entitlements"])}.values()]


def _for_people(row: Row) -> list[str | int]:
    return [harmless(value) if isinstance(value, str) else value for value in _exact(row)]


CSV = TextForm("text/csv", "csv", head=_head, lines=lambda rows: _lines([_exact(row) for row in rows]))
"""For programs: exact values."""
SPREADSHEET_CSV = TextForm(
    "text/csv",
    "csv",
    head=lambda columns: BYTE_ORDER_MARK + _head(columns),
    lines=lambda rows: _lines([_for_people(row) for row in rows]),
)
"""For spreadsheets: with a byte order mark, so that Excel reads UTF-8, and no cell that runs as a formula."""
