"""Values as the cells of a table that people open. Pure."""

from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson

from premade.base.world import rfc3339

_KINDS_KEPT_MAX = 10_000
# As OWASP lists them for "CSV injection", with the full-width ones that some spreadsheets take for the same.
_BEGINS_A_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def harmless(text: str) -> str:
    """The text; an apostrophe before it where a spreadsheet would take it for a formula and run it."""
    return f"'{text}" if text and text[0] in _BEGINS_A_FORMULA else text


def cell(value: Any) -> str:
    """A value as text: days and times as the API has them, nothing for None."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


@lru_cache(_KINDS_KEPT_MAX)
def uses(entitlements: str) -> tuple[tuple[str, int], ...]:
    """The functions of a row's entitlements, each with its remaining uses. Most tickets of a batch have the same."""
    return tuple((given["function_code"], given["remaining_uses"]) for given in orjson.loads(entitlements))


@lru_cache(_KINDS_KEPT_MAX)
def uses_cell(entitlements: str) -> str:
    """`ferry=2, gift=1`."""
    return harmless(", ".join(f"{code}={left}" for code, left in uses(entitlements)))
