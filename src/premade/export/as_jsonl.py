"""JSON lines: a ticket a line, with the names and values that the API answers with."""

from decimal import Decimal
from typing import Any

import orjson

from premade.export.rows import Row
from premade.export.text import TextForm
from premade.runtime.clock import rfc3339

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME


def _line(row: Row) -> bytes:
    told = {
        **row,
        # The table's own text, as it is.
        "entitlements": orjson.Fragment(row["entitlements"]),
        "valid_until": row["valid_until"] and row["valid_until"].isoformat(),
        "usable_until": row["usable_until"] and row["usable_until"].isoformat(),
        "created_at": rfc3339(row["created_at"]),
        "activated_at": row["activated_at"] and rfc3339(row["activated_at"]),
    }
    return orjson.dumps(told, default=_value, option=_OPTIONS)


def _value(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


JSON_LINES = TextForm(
    "application/x-ndjson",
    "jsonl",
    head=lambda _columns: b"",
    lines=lambda rows: b"".join([_line(row) for row in rows]),
)
