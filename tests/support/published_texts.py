"""Prints, as JSON, every text that the service and the commands publish about themselves."""

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import typer.main

from premade.api_docs.openapi import openapi_document
from premade.api_docs.routes import problems_of
from premade.app import make_app
from premade.cli import app as commands
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings


def api() -> Any:
    """The FastAPI application of a service that uses no database."""
    return vars(make_app(Settings(database_url="postgresql://nowhere"), Runtime(ZoneInfo("UTC"))))["_app"]


def helps() -> dict[str, str]:
    """The help of every command and of every option, by its name."""
    return dict(_helps(typer.main.get_command(commands), "premade"))


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for each, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{name} {each}")


def published() -> dict[str, Any]:
    app = api()
    return {
        "document": openapi_document(app),
        "problems": problems_of(app),
        "help": helps(),
    }


if __name__ == "__main__":
    print(json.dumps(published()))
