"""The command `premade`."""

import asyncio
import os
import sys
from functools import partial
from importlib.metadata import version
from typing import Annotated, NoReturn

import psycopg
import typer
from pydantic import ValidationError

from premade.bootstrap import bring_up_to_date, embedded_or_named, marker_of
from premade.cli import (
    allotment,
    archive,
    batch,
    customer,
    device,
    key,
    order,
    partner,
    previous_database,
    product,
    signing_key,
    staff,
    ticket,
)
from premade.cli.backup import backup
from premade.cli.expire import expire
from premade.cli.export import export
from premade.cli.generate import generate
from premade.cli.output import AsJson, print_json, show_one
from premade.cli.restore import restore
from premade.cli.restored import restored
from premade.cli.sales import sales
from premade.cli.verify import verify
from premade.postgres.migrations import SchemaNotCurrent
from premade.postgres.reach import one_line
from premade.postgres.service_role import make_service_role
from premade.runtime.clock import Runtime
from premade.runtime.errors import CommandError, DatabaseAway, DomainError, Invalid, NotFound
from premade.runtime.master_keys import new_master_key
from premade.runtime.settings import Settings, unknown_variables, variable_of
from premade.runtime.terminal import accept_any_terminal
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.values.validation_messages import in_words

app = typer.Typer(
    help="Pre-made tickets for online travel agencies: generate in bulk, activate exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(product.app, name="product")
app.add_typer(partner.app, name="partner")
app.add_typer(key.app, name="key")
app.add_typer(device.app, name="device")
app.add_typer(ticket.app, name="ticket")
app.add_typer(order.app, name="order")
app.add_typer(batch.app, name="batch")
app.command(help="List the tickets that were sold, and their amounts, by day or product.")(sales)
app.add_typer(allotment.app, name="allotment")
app.add_typer(signing_key.app, name="signing-key")
app.command(
    help="Generate a large batch of tickets. After an interruption the same command continues the batch."
)(generate)
app.add_typer(staff.app, name="staff")
app.add_typer(customer.app, name="customer")
app.command(help="Check whether a QR token is genuine. Does not check whether the ticket is sold or used.")(
    verify
)
app.command(help="Expire unsold tickets after their last day of sale. The service does this every minute.")(
    expire
)
app.command(
    help="Back up the database, while it is in use, to a file that only its owner can read. The result is verified."
)(backup)
app.command(
    help=(
        "Restore a backup, and verify the result. Stop the service on all machines first.\n\n"
        "A database with data is only replaced with --replace, and kept under another name. If anything fails, it stays in its place."
    )
)(restore)
app.add_typer(previous_database.app, name="previous-database")
app.add_typer(archive.app, name="archive")
app.command(
    help=(
        "Report a restore of the database, so that no forgotten code or id is issued again.\n\n"
        "The service detects restored dumps, copied files and promoted standbys by itself. It may not detect a "
        "restored disk."
    )
)(restored)


@app.command(name="doctor", help="Check this installation, and say how to repair what is wrong.")
def doctor_command(*, as_json: AsJson = False) -> None:
    """Check this installation."""
    from premade.cli.doctor import doctor  # noqa: PLC0415  (no other command needs the checks)

    doctor(as_json=as_json)


@app.command(
    name="master-key",
    help="Print a new master key. To use it, make it the first line of the master key file.",
)
def master_key_command() -> None:
    """Print a new master key."""
    typer.echo(new_master_key())


@app.command(name="licences", help="List the libraries that premade contains or needs, with their licences.")
def licences_command(
    *,
    as_json: AsJson = False,
    as_sbom: Annotated[
        bool, typer.Option("--sbom", help="Print the software bill of materials, in CycloneDX.")
    ] = False,
) -> None:
    """List the libraries with their licences, or print the bill of materials."""
    from premade.cli.licences import licences  # noqa: PLC0415  (no other command needs the list)

    licences(as_json=as_json, as_sbom=as_sbom)


app.command(
    help="Export the tickets of a batch to a file that only its owner can read: a table, or sheets to print."
)(export)


def _print_version(is_given: bool) -> None:  # noqa: FBT001  (typer's own form)
    if is_given:
        typer.echo(f"premade {version('premade')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Options of premade itself."""


Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free port.")]


@app.command(name="serve", help="Start the service.")
def serve_command(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of worker processes.")] = 2,
    metrics_host: Annotated[
        str, typer.Option(help="Serve the metrics on this address; they need no authentication.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the metrics; 0 for any free port.")
    ] = 9464,
    as_json: AsJson = False,
) -> None:
    """Start the service."""
    from premade.serve import Listen, serve  # noqa: PLC0415  (no other command needs the server)

    listen = Listen(host, port, workers, metrics_host, metrics_port)

    def report(url: str, metrics_url: str) -> None:
        if as_json:
            print_json({"url": url, "metrics_url": metrics_url})
        else:
            typer.echo(command_text("PROGRESS", "serves", url=url, metrics_url=metrics_url))

    serve(Settings(), listen, report)


@app.command(help="Bring the schema of the database up to date.")
def migrate(
    *,
    service_role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Give this role the rights that the service needs, and no others. Later migrations keep them current.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the schema of the database up to date."""
    settings = Settings()
    with embedded_or_named(settings) as dsn:
        report = partial(typer.echo, err=True)
        applied = bring_up_to_date(dsn, Runtime(settings.zone), marker_of(settings), report)
        granted = (
            {} if service_role is None else {"granted": asyncio.run(make_service_role(dsn, service_role))}
        )
    show_one({"applied": applied or "nothing: the schema is current", **granted}, as_json=as_json)


@app.command(help="Start the service with example products, a partner and a first sale.")
def demo(
    *,
    port: Port = 8080,
    history_days: Annotated[
        int, typer.Option(min=1, max=90, metavar="DAYS", help="Invent sales for at most this many days.")
    ] = 90,
    yes: Annotated[
        bool, typer.Option("--yes", help="Run even if the database has other partners or staff.")
    ] = False,
) -> None:
    """Start the service with example products, a partner and a first sale."""
    from premade.demo.command import run_demo  # noqa: PLC0415  (only the demo pays for it)

    run_demo(Settings(), port, history_days=history_days, is_sure=yes)


def main() -> None:
    """Run the command. Print one line per error, not a traceback."""
    accept_any_terminal()
    sys.argv = [_as_typed(argument) for argument in sys.argv]
    for name, nearest in unknown_variables(os.environ).items():
        text = (
            command_text("SETTING_INVALID", "unknown_like", variable=name, nearest=nearest)
            if nearest
            else command_text("SETTING_INVALID", "unknown", variable=name)
        )
        typer.echo(f"premade: {text}", err=True)
    try:
        app()
    except DomainError as error:
        lines = (
            [f"{wrong.pointer.removeprefix('#/')}: {wrong.detail}" for wrong in error.errors]
            if isinstance(error, Invalid)
            else [error.detail]
        )
        if isinstance(error, NotFound):
            lines.append(f"Looked in {Settings().database_place}.")
        _fail(error.code, lines)
    except SchemaNotCurrent as error:
        place = command_text(error.code, "database_is", place=Settings().database_place)
        _fail(error.code, [f"{error} {place}"])
    except CommandError as error:
        _fail(error.code, [str(error)])
    except psycopg.Error as error:
        _fail(DatabaseAway.code, [command_text(DatabaseAway.code, "refused", why=one_line(error))])
    except ValidationError as error:
        _fail(
            "SETTING_INVALID",
            [
                command_text(
                    "SETTING_INVALID", "wrong", variable=variable_of(detail["loc"][0]), why=in_words(detail)
                )
                for detail in error.errors()
            ],
        )


def _as_typed(argument: str) -> str:
    """Decode an argument as UTF-8 if Python could not decode it with the terminal's encoding."""
    try:
        return os.fsencode(argument).decode() if _has_surrogates(argument) else argument
    except UnicodeDecodeError:
        _fail(Invalid.code, [field_text("option.not_utf8", argument=argument)])


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _fail(code: str, lines: list[str]) -> NoReturn:
    if "--json" in sys.argv:
        print_json({"error": {"code": code, "detail": "; ".join(lines)}})
    for line in lines:
        typer.echo(f"premade: {line}", err=True)
    raise SystemExit(1)
