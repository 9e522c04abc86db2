"""JSON lines: a ticket a line, with the names and values of the API."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import orjson

from premade.export.rows import ENTITLEMENTS, ExportRow
from premade.export.text import TextForm
from premade.runtime.clock import rfc3339

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME


def _lines(rows: Sequence[ExportRow], columns: Sequence[str]) -> bytes:
    return b"".join([_line(row, columns) for row in rows])


def _line(row: ExportRow, columns: Sequence[str]) -> bytes:
    # The column is stored as JSON.
    members = {
        column: orjson.Fragment(row.entitlements) if column == ENTITLEMENTS else row.value(column)
        for column in columns
    }
    return orjson.dumps(members, default=_value, option=_OPTIONS)


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


JSON_LINES = TextForm("JSON lines", "application/x-ndjson", "jsonl", head=lambda _columns: b"", lines=_lines)
