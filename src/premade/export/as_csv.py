"""CSV by RFC 4180: UTF-8, a header, lines that end in CRLF. Every cell except numbers is quoted."""

import csv
import io
from collections.abc import Sequence

from premade.export.cells import exact_cells, harmless
from premade.export.rows import ExportRow
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


def _exact_lines(rows: Sequence[ExportRow], columns: Sequence[str]) -> bytes:
    return _lines([exact_cells(row, columns) for row in rows])


def _spreadsheet_lines(rows: Sequence[ExportRow], columns: Sequence[str]) -> bytes:
    return _lines(
        [
            [harmless(cell) if isinstance(cell, str) else cell for cell in exact_cells(row, columns)]
            for row in rows
        ]
    )


CSV = TextForm("CSV", "text/csv", "csv", head=_head, lines=_exact_lines)
"""For programs: exact values."""
SPREADSHEET_CSV = TextForm(
    "CSV",
    "text/csv",
    "csv",
    head=lambda columns: BYTE_ORDER_MARK + _head(columns),
    lines=_spreadsheet_lines,
)
"""For spreadsheets: with a byte order mark, so that Excel reads UTF-8, and no cell that runs as a formula."""
