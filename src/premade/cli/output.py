"""How a command answers: a table for people, JSON for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from premade.base.terminal import can_show
from premade.base.texts import turns_direction
from premade.base.world import local_time, rfc3339

_WIDTH_MAX = 100_000

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]


def print_json(data: Any) -> None:
    """Print one JSON document; times as RFC 3339 in UTC. Characters that the terminal lacks are escaped."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
    document = orjson.dumps(data, default=_json_value, option=options).decode()
    _print(document if can_show(document) else json.dumps(orjson.loads(document), indent=2))


def _print(line: str) -> None:
    """Print in the encoding of standard output. click would write UTF-8 to a terminal that says ASCII."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={count}" for key, count in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    text = str(value)
    # A terminal orders the line by its characters: first strong isolate, pop directional isolate (UAX 9).
    return f"\u2068{text}\u2069" if turns_direction(text) else text


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A list of things alike: a table, or one thing after another where the terminal is too narrow for it."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("None yet.")
        return
    table = _table(rows)
    console = Console()
    as_wide_as_it_likes = console.options.update(width=_WIDTH_MAX)
    if console.measure(table, options=as_wide_as_it_likes).maximum <= console.width:
        console.print(table)
        return
    for number, row in enumerate(rows):
        if number:
            typer.echo()
        show_one(row, as_json=False)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        # As Text: a name with brackets in it is not markup.
        table.add_row(*(Text(_short(value)) for value in row.values()))
    return table


def _short(value: Any) -> str:
    return f"{local_time(value, UTC):%Y-%m-%d %H:%MZ}" if isinstance(value, datetime) else _text(value)


def show_one(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a line for each of its fields, none of them wrapped."""
    if as_json:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        _print(f"{name:<{width}}  {_text(value)}")
