"""Values of a row as cells of a table. Pure."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache

import orjson

from premade.export.rows import ENTITLEMENTS, ExportRow, Value
from premade.runtime.clock import rfc3339

_KINDS_KEPT_MAX = 10_000
# The characters of OWASP's page on CSV injection, and their full-width forms, which some spreadsheets treat alike.
# Quotes do not protect when a spreadsheet separates cells by ';', a tab or '|': it then starts a new cell after that
# character, inside our quotes.
_BEGINS_A_FORMULA = re.compile("(^|[;|\t\r\n])([ \xa0]*)(?=[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


def harmless(text: str) -> str:
    """Return the text with an apostrophe wherever a spreadsheet could start a cell with a formula."""
    return _BEGINS_A_FORMULA.sub(r"\1\2'", text)


def exact_cells(row: ExportRow, columns: Sequence[str]) -> list[str | int]:
    """Return the cells of the row for CSV: days, times and amounts as in the API, "" for None."""
    return [
        uses_cell(row.entitlements) if column == ENTITLEMENTS else _cell(row.value(column))
        for column in columns
    ]


def _cell(value: Value) -> str | int:
    if isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


@lru_cache(_KINDS_KEPT_MAX)
def uses(entitlements: str) -> tuple[tuple[str, int], ...]:
    """Return the functions of a row's entitlements with their remaining uses.

    The results are kept, because most tickets of a batch have the same entitlements.
    """
    return tuple((given["function_code"], given["remaining_uses"]) for given in orjson.loads(entitlements))


@lru_cache(_KINDS_KEPT_MAX)
def uses_cell(entitlements: str) -> str:
    """Return the entitlements as one cell: `ferry=2, gift=1`."""
    return ", ".join(f"{code}={left}" for code, left in uses(entitlements))
