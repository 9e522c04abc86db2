"""Lists in pages, as HTTP has them: what a client asks with, and the link to the next page."""

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Query
from starlette.types import Scope

from premade.base.cursors import CURSOR_CHARACTERS_MAX, ROWS_LOOKED_AT_MAX
from premade.base.values import IN_DIGITS

PAGE_ROWS_DEFAULT = 100
PAGE_ROWS_MAX = 1000

Limit = Annotated[
    int, Query(ge=1, le=PAGE_ROWS_MAX, description=f"How many at most, 1 to {PAGE_ROWS_MAX}"), IN_DIGITS
]
BOUNDED = (
    f"A page looks at {ROWS_LOOKED_AT_MAX:,} rows at most. With a filter that few rows match it may therefore be short, "
    "or empty: go on until `next` is null."
)
CursorText = Annotated[
    str | None,
    Query(
        description="The 'next' of the page before; opaque. The other parameters stay as they were.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": CURSOR_CHARACTERS_MAX},
    ),
]
LINK_HEADER: dict[str, Any] = {
    "Link": {
        "description": 'The next page, `<…>; rel="next"` (RFC 8288), unless this is the last',
        "schema": {"type": "string"},
    }
}
NEXT = "The `cursor` of the next page; null: there is none"


def link_to_next(scope: Scope, following: str | None) -> dict[str, str]:
    """The header `Link` (RFC 8288) of a page that is not the last."""
    if following is None:
        return {}
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode([*((name, value) for name, value in asked if name != "cursor"), ("cursor", following)])
    return {"Link": f'<{scope["raw_path"].decode("latin-1")}?{query}>; rel="next"'}
