"""JSON documents for programs: times are RFC 3339 in UTC, amounts are texts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from premade.runtime.clock import rfc3339


def json_document(data: Any) -> str:
    """Return dataclasses, mappings and lists as one indented JSON document."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
    return orjson.dumps(data, default=_value, option=options).decode()


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError
