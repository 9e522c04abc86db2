"""Lists: pages in both directions, and the filters that apply."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from premade.console.routing import StaffRequest
from premade.texts.translation import Text

PAGES_BACK_MAX = 20
"""Pages that "Previous page" can go back. After that it leads to the first page."""
_SEPARATOR = "~"
"""Between cursors, which do not contain it."""


@dataclass(frozen=True)
class Pager:
    """Addresses of other pages of a list. None: there is no such page."""

    first: str | None = None
    previous: str | None = None
    next: str | None = None


@dataclass(frozen=True)
class Chip:
    """A filter that applies, with its value, and the address of the list without it."""

    label: Text
    value: Text
    address: str


@dataclass(frozen=True)
class ListAddress:
    """The address of a list. `filters`: parameters by name; those that are None or empty are left out."""

    path: str
    filters: Mapping[str, str | int | None]

    def with_parameters(self, **more: str | int | None) -> str:
        """Return the address with further or other parameters."""
        given = {name: value for name, value in {**self.filters, **more}.items() if value not in (None, "")}
        return f"{self.path}?{urlencode(given)}" if given else self.path

    def chip(self, name: str, label: Text, value: Text) -> Chip:
        """Return the chip of a filter."""
        return Chip(label, value, self.with_parameters(**{name: None}))

    def pager(self, request: StaffRequest, following: str | None) -> Pager:
        """Return the links of the page that the request names. `following`: cursor of the next page."""
        cursor = request.query("cursor")
        earlier = [each for each in request.query("trail").split(_SEPARATOR) if each]
        trail = [*earlier, cursor][-PAGES_BACK_MAX:] if cursor else []
        return Pager(
            first=self.with_parameters() if cursor else None,
            previous=self._page(earlier) if cursor else None,
            next=following and self._page([*trail, following]),
        )

    def _page(self, cursors: list[str]) -> str:
        """Return the address of the page of the last cursor. The others are those of the pages before it."""
        if not cursors:
            return self.with_parameters()
        return self.with_parameters(cursor=cursors[-1], trail=_SEPARATOR.join(cursors[:-1]))
