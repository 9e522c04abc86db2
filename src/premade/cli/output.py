"""How a command answers: a table for people, JSON for machines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from premade.base.world import rfc3339

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]


def print_json(data: Any) -> None:
    """One JSON document; times as RFC 3339 in UTC."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME
    typer.echo(orjson.dumps(data, default=_json_value, option=options).decode())


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
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
    return str(value)


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A list of things alike."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("None yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console().print(table)


def show_one(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing, a line for each of its fields, none of them wrapped."""
    if as_json:
        print_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {_text(value)}")
