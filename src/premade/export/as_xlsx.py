"""A workbook with one sheet. Rows are written in portions, so that memory does not grow with them."""

# The library's types are known in part.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import BinaryIO

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from premade.export.cells import table_value
from premade.export.rows import Export, ExportRow, Value
from premade.runtime.errors import Exhausted
from premade.values.currency import DECIMALS_MAX

ROWS_MAX = 1_048_575
"""Of a sheet, by the format, without the header."""
_WHOLE_INTEGER_MAX = 10**11
"""A spreadsheet shows eleven digits of a number."""
_WIDTHS = {
    "ticket_code": 36,
    "qr_token": 40,
    "product_name": 32,
    "batch_id": 24,
    "entitlements": 30,
    "created_at": 19,
    "activated_at": 19,
    "order_id": 20,
}
_WIDTH = 14
_TIMES = frozenset({"created_at", "activated_at"})
"""Columns with times: a cell of a workbook has no time zone."""


@dataclass(eq=False)
class TooManyForASheet(Exhausted):
    """The batch has more tickets than a worksheet has rows."""

    code = "TOO_MANY_FOR_A_SHEET"

    tickets: int
    rows_max: int


async def write_xlsx(export: Export, out: BinaryIO, report: Callable[[int], None]) -> None:
    """Write the export as a workbook. Texts become cells of type text. Times are in UTC, as the column headings say.

    Raises:
        TooManyForASheet: the batch has more than ROWS_MAX tickets.
    """
    if export.batch.tickets > ROWS_MAX:
        raise TooManyForASheet(export.batch.tickets, ROWS_MAX)
    # The library's temporary files are deleted with the folder. Closing the workbook writes it, so it is closed only after
    # the last row.
    with tempfile.TemporaryDirectory() as aside:
        workbook = xlsxwriter.Workbook(out, {"constant_memory": True, "tmpdir": aside})
        sheet = _Sheet(workbook, export.columns)
        # In a thread, so that the event loop stays free for other requests.
        async for rows in export.portions:
            await asyncio.to_thread(sheet.add_all, rows)
            report(len(rows))
        sheet.end()
        await asyncio.to_thread(workbook.close)


def _decimals_in(amount: Decimal) -> int:
    """Return the number of decimals that the amount is written with; a workbook has formats up to DECIMALS_MAX."""
    _, _, exponent = amount.as_tuple()
    return min(-int(exponent), DECIMALS_MAX)


class _Sheet:
    def __init__(self, workbook: xlsxwriter.Workbook, columns: Sequence[str]) -> None:
        self._columns = columns
        self._sheet: Worksheet = workbook.add_worksheet("Tickets")
        self._header: Format = workbook.add_format({"bold": True, "bottom": 1})
        # The text format also holds when somebody edits the cell: "0123" keeps its 0, "=1+1" is not calculated.
        self._text: Format = workbook.add_format({"num_format": "@"})
        self._day: Format = workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._moment: Format = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._money: dict[int, Format] = {
            decimals: workbook.add_format({"num_format": f"{0:.{decimals}f}"})
            for decimals in range(DECIMALS_MAX + 1)
        }
        self._rows = 0
        for place, column in enumerate(columns):
            self._sheet.set_column(place, place, _WIDTHS.get(column, _WIDTH))
            heading = f"{column} (UTC)" if column in _TIMES else column
            self._sheet.write_string(0, place, heading, self._header)
        self._sheet.freeze_panes(1, 1)

    def add_all(self, rows: Sequence[ExportRow]) -> None:
        for row in rows:
            self._rows += 1
            for place, column in enumerate(self._columns):
                self._write(place, table_value(row, column))

    def _write(self, place: int, value: Value) -> None:
        sheet, number = self._sheet, self._rows
        if isinstance(value, str):
            sheet.write_string(number, place, value, self._text)
        elif isinstance(value, Decimal):
            sheet.write_number(number, place, float(value), self._money[_decimals_in(value)])
        elif isinstance(value, datetime):
            sheet.write_datetime(number, place, value.astimezone(UTC).replace(tzinfo=None), self._moment)
        elif isinstance(value, date):
            sheet.write_datetime(number, place, value, self._day)  # pyright: ignore[reportArgumentType]  (days too)
        elif isinstance(value, int) and value < _WHOLE_INTEGER_MAX:
            sheet.write_number(number, place, value)
        elif value is not None:
            sheet.write_string(number, place, str(value), self._text)

    def end(self) -> None:
        self._sheet.autofilter(0, 0, self._rows, len(self._columns) - 1)
