"""Where one page of a list ends and the next begins. A page begins after the row that the one before ended with, so
that it costs the same however far on it is, and what is added meanwhile neither repeats a row nor hides one.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from premade.base.errors import FieldError, Invalid

ROWS_LOOKED_AT_MAX = 10_000
"""A page ends after so many rows, however few of them are what was asked for."""
CURSOR_CHARACTERS_MAX = 1000
Row = dict[str, Any]


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
class Order:
    """What one list is ordered by: the name of the list, and the columns with their kinds (str, int, datetime)."""

    of: str
    columns: dict[str, type]

    def after(self, cursor: str | None) -> dict[str, Any]:
        """The row that the page before ended with, as `after_<column>` for the statement; None at the beginning.

        Invalid when `cursor` is none of this list.
        """
        key = [None] * len(self.columns) if cursor is None else self._read(cursor)
        return {f"after_{name}": value for name, value in zip(self.columns, key, strict=True)}

    def cursor(self, row: Row) -> str:
        """Where the page after `row` begins."""
        key = [row[name] for name in self.columns]
        return base64.urlsafe_b64encode(orjson.dumps([self.of, *key])).decode().rstrip("=")

    def page(self, rows: Sequence[Row], limit: int) -> tuple[list[Row], str | None]:
        """The page, and where the next begins; the statement is asked for one row more than `limit`.

        One that looks at rows which do not match tells so in `matches`, and in `place` which row it is that it looks
        at. The last that it may look at comes in any case, to say where the next page begins.
        """
        page = list(rows[:limit])
        goes_on = len(rows) > limit or (bool(page) and page[-1].get("place") == ROWS_LOOKED_AT_MAX)
        following = self.cursor(page[-1]) if goes_on else None
        return [row for row in page if row.get("matches", True)], following

    def _read(self, cursor: str) -> list[Any]:
        try:
            if len(cursor) > CURSOR_CHARACTERS_MAX:
                raise ValueError  # noqa: TRY301
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            of, *key = orjson.loads(raw)
            if of != self.of:
                raise ValueError  # noqa: TRY301
            values = [_READERS[kind](value) for kind, value in zip(self.columns.values(), key, strict=True)]
            # Each place has one spelling: what was changed on the way is told, however well it reads.
            if cursor != self.cursor(dict(zip(self.columns, values, strict=True))):
                raise ValueError  # noqa: TRY301
        except (ValueError, TypeError, OverflowError, binascii.Error):
            message = "Must be the 'next' of a page of this list, as it came"
            raise Invalid([FieldError("query#/cursor", message)]) from None
        return values
