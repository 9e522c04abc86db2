"""CSV as RFC 4180 has it: UTF-8, a header, lines that end in CRLF."""

import csv
import io
from collections.abc import Sequence

from premade.export.cells import cell, uses_cell
from premade.export.rows import COLUMNS, Row
from premade.export.text import TextForm


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cells(row: Row) -> list[str]:
    shown = {**row, "entitlements": uses_cell(row["entitlements"])}
    return [cell(shown[column]) for column in COLUMNS]


CSV = TextForm(
    "text/csv", "csv", head=_lines([COLUMNS]), lines=lambda rows: _lines([_cells(row) for row in rows])
)
