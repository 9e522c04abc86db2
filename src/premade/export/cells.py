"""Values of a row as cells of a table. Pure."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache

from premade.export.rows import ENTITLEMENTS, ExportRow, Value
from premade.runtime.clock import rfc3339
from premade.tickets.ticket import KINDS_OF_USES_MAX, uses_of

# The characters of OWASP's page on CSV injection, and their full-width forms, which some spreadsheets treat alike.
# Quotes do not protect when a spreadsheet separates cells by ';', a tab or '|': it then starts a new cell after that
# character, inside our quotes.
_BEGINS_A_FORMULA = re.compile("(^|[;|\t\r\n])([ \xa0]*)(?=[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


def harmless(text: str) -> str:
    """Return the text with an apostrophe wherever a spreadsheet could start a cell with a formula."""
    return _BEGINS_A_FORMULA.sub(r"\1\2'", text)


def exact_cells(row: ExportRow, columns: Sequence[str]) -> list[str | int]:
    """Return the cells of the row for CSV: days, times and amounts as in the API, "" for None."""
    return [_cell(table_value(row, column)) for column in columns]


def table_value(row: ExportRow, column: str) -> Value:
    """Return the value of a column in a table: the row's own, but the entitlements as text."""
    return _uses_text(row.entitlements) if column == ENTITLEMENTS else row.value(column)


def _cell(value: Value) -> str | int:
    if isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


@lru_cache(KINDS_OF_USES_MAX)
def _uses_text(entitlements: str) -> str:
    """Return the remaining uses by function: `ferry=2, gift=1`."""
    return ", ".join(f"{code}={left}" for code, left in uses_of(entitlements).items())
