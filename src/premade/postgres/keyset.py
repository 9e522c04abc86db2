"""Keyset pagination: a page starts after the key of the last row of the previous page.

Every page costs the same, however far it is from the first. Rows that are inserted meanwhile neither repeat nor hide others.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

import orjson

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROWS_READ_MAX = 10_000
"""Rows that a page reads at most, however few of them match the filter."""
CURSOR_CHARACTERS_MAX = 1000
Row = TypeVar("Row", bound="DataclassInstance")
Key = TypeVar("Key", bound=tuple[str | int | datetime, ...])


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError
    return value


_READERS: dict[type, Callable[[Any], Any]] = {datetime: _moment, str: _text, int: _integer}
"""For each type of a key column, the function that reads its value from a cursor, or raises ValueError or TypeError."""


@dataclass(frozen=True)
class Keyset(Generic[Key]):
    """The order of a list: the name of the list, and its key.

    `key` is a NamedTuple with a field for each key column, of type str, int or datetime.
    """

    list_name: str
    key: type[Key]

    def after(self, cursor: str | None) -> Key | None:
        """Return the key in the cursor, or None for the first page.

        Raises:
            Invalid: the cursor is malformed or belongs to another list.
        """
        return None if cursor is None else self._read(cursor)

    def cursor(self, row: object) -> str:
        """Return the cursor of the page that starts after `row`."""
        return self._cursor([getattr(row, name) for name in get_type_hints(self.key)])

    def _cursor(self, key: Sequence[Any]) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.list_name, *key])).decode().rstrip("=")

    def page(self, rows: Sequence[Row], limit: int) -> tuple[list[Row], str | None]:
        """Return the rows of the page and the cursor of the next page, or None.

        `rows`: up to `limit` + 1 rows of the statement. A statement with a filter may return rows that do not match, with
        `matches` false, and counts the rows it reads in `place`. It always returns row number ROWS_READ_MAX, so that
        the next page can start there.
        """
        page = list(rows[:limit])
        goes_on = len(rows) > limit or (bool(page) and getattr(page[-1], "place", None) == ROWS_READ_MAX)
        next_cursor = self.cursor(page[-1]) if goes_on else None
        return [row for row in page if getattr(row, "matches", True)], next_cursor

    def _read(self, cursor: str) -> Key:
        try:
            if len(cursor) > CURSOR_CHARACTERS_MAX:
                raise ValueError  # noqa: TRY301
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            list_name, *key = orjson.loads(raw)
            if list_name != self.list_name:
                raise ValueError  # noqa: TRY301
            types = get_type_hints(self.key).values()
            values = [_READERS[kind](value) for kind, value in zip(types, key, strict=True)]
            # A cursor has exactly one spelling, so that a changed cursor is noticed even if it can be decoded.
            if cursor != self._cursor(values):
                raise ValueError  # noqa: TRY301
        except (ValueError, TypeError, OverflowError, binascii.Error):
            raise Invalid([FieldError("query#/cursor", field_text("general.cursor"))]) from None
        return self.key(*values)
