"""Output of a command: a table for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from premade.postgres.statements import columns_of
from premade.runtime.clock import local_time, rfc3339
from premade.runtime.terminal import can_show
from premade.values.json_document import json_document
from premade.values.texts import isolated

_GAP = 2
"""Blanks between columns."""
_NAMES = {"name", "partner", "product"}
"""Columns with names that people chose. They can be long."""
_NAME_COLUMNS_MIN = 16
"""Minimum width of a column with names; narrower ones are not readable."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(data: Any) -> None:
    """Print one JSON document; times as RFC 3339 in UTC. Characters that the terminal lacks are escaped."""
    document = json_document(data)
    _print(document if can_show(document) else json.dumps(orjson.loads(document), indent=2))


def _print(line: str) -> None:
    """Print in the encoding of standard output. click would write UTF-8 to a terminal that says ASCII."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={count}" for key, count in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


def _fields_of(row: Any) -> Mapping[str, Any]:
    return columns_of(row) if is_dataclass(row) else row


def show_rows(shown: Sequence[Any], *, as_json: bool) -> None:
    """Print rows, each a dataclass or a mapping, as a table.

    On a narrow terminal only names are wrapped. If that is not enough, the rows are printed one below the other.
    """
    rows = [_fields_of(row) for row in shown]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("None.")
        return
    console = Console()
    widths = _widths(rows, console.width)
    if widths is not None:
        console.print(_table(rows, widths, console))
        return
    for number, row in enumerate(rows):
        if number:
            typer.echo()
        show_one(row, as_json=False)


def _widths(rows: Sequence[Mapping[str, Any]], width: int) -> dict[str, int] | None:
    """Return the width of each column of a table of at most `width`, or None if the table cannot be that narrow."""
    widths = {name: max(cell_len(name), *(cell_len(_short(row[name])) for row in rows)) for name in rows[0]}
    excess = sum(widths.values()) + _GAP * (len(widths) - 1) - width
    if excess > 0:
        wide = [name for name in widths if name in _NAMES and widths[name] > _NAME_COLUMNS_MIN]
        room = (sum(widths[name] for name in wide) - excess) // len(wide) if wide else 0
        if room < _NAME_COLUMNS_MIN:
            return None
        widths |= {name: min(widths[name], room) for name in wide}
    return widths


def _table(rows: Sequence[Mapping[str, Any]], widths: Mapping[str, int], console: Console) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in widths:
        table.add_column(name, no_wrap=True)
    for row in rows:
        # As Text: a name with brackets in it is not markup. Each line of a name by itself: a terminal orders by lines.
        cells = (
            Text(_short(row[name])).wrap(console, width, overflow="fold") for name, width in widths.items()
        )
        table.add_row(*(Text("\n".join(isolated(line.plain.rstrip()) for line in cell)) for cell in cells))
    return table


def _short(value: Any) -> str:
    return f"{local_time(value, UTC):%Y-%m-%d %H:%MZ}" if isinstance(value, datetime) else _text(value)


def show_one(row: Any, *, as_json: bool) -> None:
    """Print one record, a dataclass or a mapping, one line per field, without wrapping."""
    fields = _fields_of(row)
    if as_json:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        _print(f"{name:<{width}}  {isolated(_text(value))}")
