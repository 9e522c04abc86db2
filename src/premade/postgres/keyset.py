"""Keyset pagination: a page starts after the key of the last row of the previous page.

Every page costs the same, however far it is from the first. Rows that are inserted meanwhile neither repeat nor hide others.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from premade.runtime.errors import FieldError, Invalid

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROWS_LOOKED_AT_MAX = 10_000
"""Rows that a page reads at most, however few of them match the filter."""
CURSOR_CHARACTERS_MAX = 1000
Row = TypeVar("Row", bound="DataclassInstance")


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        message = "without a time zone"
        raise ValueError(message)
    return moment.astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        message = "no text"
        raise ValueError(message)
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        message = "no integer of 64 bits"
        raise ValueError(message)
    return value


_READERS: dict[type, Callable[[Any], Any]] = {datetime: _moment, str: _text, int: _integer}


@dataclass(frozen=True)
class Keyset:
    """The order of a list: its name, and its key columns with their types (str, int, datetime)."""

    of: str
    columns: dict[str, type]

    def after(self, cursor: str | None) -> dict[str, Any]:
        """Return the key in the cursor as statement parameters `after_<column>`; None for the first page.

        Raises:
            Invalid: the cursor is malformed or belongs to another list.
        """
        key = [None] * len(self.columns) if cursor is None else self._read(cursor)
        return {f"after_{name}": value for name, value in zip(self.columns, key, strict=True)}

    def cursor(self, row: object) -> str:
        """Return the cursor of the page that starts after `row`."""
        return self._cursor([getattr(row, name) for name in self.columns])

    def _cursor(self, key: Sequence[Any]) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.of, *key])).decode().rstrip("=")

    def page(self, rows: Sequence[Row], limit: int) -> tuple[list[Row], str | None]:
        """Return the rows of the page and the cursor of the next page, or None.

        `rows` are the rows of a statement that was asked for `limit` + 1 rows. A statement with a filter may return rows
        that do not match, with `matches` false, and counts the rows it reads in `place`. It always returns row number
        ROWS_LOOKED_AT_MAX, so that the next page can start there.
        """
        page = list(rows[:limit])
        goes_on = len(rows) > limit or (bool(page) and getattr(page[-1], "place", None) == ROWS_LOOKED_AT_MAX)
        following = self.cursor(page[-1]) if goes_on else None
        return [row for row in page if getattr(row, "matches", True)], following

    def _read(self, cursor: str) -> list[Any]:
        try:
            if len(cursor) > CURSOR_CHARACTERS_MAX:
                raise ValueError  # noqa: TRY301
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            of, *key = orjson.loads(raw)
            if of != self.of:
                raise ValueError  # noqa: TRY301
            values = [_READERS[kind](value) for kind, value in zip(self.columns.values(), key, strict=True)]
            # A cursor has exactly one spelling, so that a changed cursor is noticed even if it can be decoded.
            if cursor != self._cursor(values):
                raise ValueError  # noqa: TRY301
        except (ValueError, TypeError, OverflowError, binascii.Error):
            message = "Must be 'next' of a page of this list, unchanged"
            raise Invalid([FieldError("query#/cursor", message)]) from None
        return values
