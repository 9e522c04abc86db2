"""Pagination over HTTP: query parameters of lists, and the `Link` header to the next page."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Query
from pydantic import AfterValidator
from starlette.types import Scope

from premade.http.fields import IN_DIGITS, Moment
from premade.postgres.keyset import CURSOR_CHARACTERS_MAX, ROWS_READ_MAX

PAGE_ROWS_DEFAULT = 100
PAGE_ROWS_MAX = 1000

Limit = Annotated[
    int,
    Query(ge=1, le=PAGE_ROWS_MAX, description=f"Maximum number of items, 1 to {PAGE_ROWS_MAX}"),
    IN_DIGITS,
]
BOUNDED = (
    f"A page reads at most {ROWS_READ_MAX:,} rows. If few rows match the filter, a page may be short or empty: "
    "continue until `next` is null."
)
CursorText = Annotated[
    str | None,
    Query(
        description="Opaque: `next` of the previous page. Keep the other parameters unchanged.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": CURSOR_CHARACTERS_MAX},
    ),
]
LINK_HEADER: dict[str, Any] = {
    "Link": {
        "description": 'The next page, `<…>; rel="next"` (RFC 8288), unless this is the last',
        "schema": {"type": "string"},
    }
}
NEXT = "`cursor` of the next page; null on the last page"

CreatedFrom = Annotated[Moment | None, Query(description="Only items created at this time or later")]
CreatedBefore = Annotated[Moment | None, Query(description="Only items created before this time")]


def link_to_next(scope: Scope, next_cursor: str | None) -> dict[str, str]:
    """Return the `Link` header to the next page (RFC 8288), or no header on the last page."""
    if next_cursor is None:
        return {}
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    others = ((name, value) for name, value in parameters if name != "cursor")
    query = urlencode([*others, ("cursor", next_cursor)])
    return {"Link": f'<{scope["raw_path"].decode("latin-1")}?{query}>; rel="next"'}


def optional(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator that applies `check` unless the value is absent."""
    return AfterValidator(lambda value: None if value is None else check(value))
