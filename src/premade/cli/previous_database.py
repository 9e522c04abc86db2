"""`premade previous-database`: the databases that restores have replaced."""

import asyncio
from typing import Annotated

import typer

from premade.bootstrap import embedded_or_named, require_database
from premade.cli.output import AsJson, show_one, show_rows
from premade.postgres.backup.replace import drop_previous, previous_databases
from premade.runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Databases that 'premade restore --replace' has replaced.")


@app.command(name="list", help="List them with their sizes in bytes.")
def list_all(*, as_json: AsJson = False) -> None:
    """List them."""
    settings = Settings()
    require_database(settings)
    with embedded_or_named(settings) as dsn:
        rows = asyncio.run(previous_databases(dsn))
    show_rows(rows, as_json=as_json)


@app.command(help="Drop one of them, with all its rows.")
def drop(
    name: Annotated[str, typer.Argument(help="Name, as the restore or 'list' prints it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Drop one of them."""
    settings = Settings()
    require_database(settings)
    with embedded_or_named(settings) as dsn:
        dropped = asyncio.run(drop_previous(dsn, name))
    show_one(dropped, as_json=as_json)
