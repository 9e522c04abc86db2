"""`premade customer`."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from premade.cli.atomic_files import AtomicFiles
from premade.cli.operate import operate
from premade.cli.output import AsJson, print_json, show_one, show_rows
from premade.customers.customer import ORDERS_MAX, Customers, checked_email
from premade.customers.erase import Eraser, erased_orders
from premade.postgres.database import Database
from premade.runtime.clock import Runtime, rfc3339
from premade.runtime.errors import FieldError, Invalid
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.tickets.code import is_order_id
from premade.values.json_document import json_document
from premade.values.operator_input import day

app = typer.Typer(help="Customers: find, export and erase their contact data.", no_args_is_help=True)

Email = Annotated[str, typer.Option(help="E-mail address of the customer. Capitals make no difference.")]
STANDARD_STREAM = "-"


@dataclass(frozen=True)
class ExportedOrders:
    """Result of `premade customer export` into a file."""

    file: str
    orders: int
    is_complete: bool


@dataclass(frozen=True)
class Erasure:
    """Result of `premade customer erase`."""

    erased: int
    orders: list[str]


def _checked(email: str) -> str:
    try:
        return checked_email(email)
    except ValueError as error:
        raise Invalid([FieldError("email", str(error))]) from None


@app.command(help="List the orders of a customer. The audit record names each of them.")
def find(*, email: Email, as_json: AsJson = False) -> None:
    """List the orders of a customer."""
    address = _checked(email)
    orders, is_cut = operate(lambda database, runtime: Customers(database, runtime).find(address))
    show_rows(orders, as_json=as_json)
    if is_cut:
        typer.echo(command_text("PROGRESS", "customer_cut", limit=ORDERS_MAX), err=True)


@app.command(
    help="Export what the database has about a customer, as JSON, to a file that only its owner can read."
)
def export(
    *,
    email: Email,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write, or '-' for standard output.")
    ] = STANDARD_STREAM,
    as_json: AsJson = False,
) -> None:
    """Export what the database has about a customer."""
    address = _checked(email)
    exported = operate(lambda database, runtime: Customers(database, runtime).export(address))
    if output == STANDARD_STREAM:
        print_json(exported)
    else:
        with AtomicFiles(Path(output)) as files:
            files.begin().write(json_document(exported).encode())
            files.finish()
        show_one(ExportedOrders(output, len(exported.orders), exported.is_complete), as_json=as_json)
    if not exported.is_complete:
        typer.echo(command_text("PROGRESS", "customer_cut", limit=ORDERS_MAX), err=True)


@app.command(
    help="Erase a customer's contact data from all orders. Orders, amounts and the audit record stay."
)
def erase(
    *,
    email: Annotated[
        str | None, typer.Option(help="E-mail address of the customer. Capitals make no difference.")
    ] = None,
    orders: Annotated[
        str | None,
        typer.Option(
            help="After a restore: a file with the ids of erased orders, one a line; '-' for standard input."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a customer's contact data from all orders."""
    if (email is None) is (orders is None):
        raise Invalid([FieldError("email", field_text("option.email_or_orders"))])
    if email is not None:
        erased = _erase_email(_checked(email), yes=yes, as_json=as_json)
    else:
        erased = _erase_orders(_order_ids(orders or ""), yes=yes, as_json=as_json)
    show_one(Erasure(len(erased), erased), as_json=as_json)


def _erase_email(email: str, *, yes: bool, as_json: bool) -> list[str]:
    async def erase_after_confirmation(database: Database, runtime: Runtime) -> list[str]:
        count = await Customers(database, runtime).count(email)
        if count.first_at and count.last_at and not yes:
            question = command_text(
                "PROGRESS",
                "erasure_question",
                orders=count.orders,
                partners=count.partners,
                first=rfc3339(count.first_at)[:10],
                last=rfc3339(count.last_at)[:10],
            )
            _ask(question, count.orders, as_json=as_json)
        return await Eraser(database, runtime).erase_email(email)

    return operate(erase_after_confirmation)


def _erase_orders(order_ids: list[str], *, yes: bool, as_json: bool) -> list[str]:
    if order_ids and not yes:
        question = command_text("PROGRESS", "erasure_question_orders", orders=len(order_ids))
        _ask(question, len(order_ids), as_json=as_json)
    return operate(lambda database, runtime: Eraser(database, runtime).erase_orders(order_ids))


def _ask(question: str, orders: int, *, as_json: bool) -> None:
    if as_json:
        raise Invalid([FieldError("yes", field_text("option.confirm_erasure", orders=orders))])
    typer.confirm(question, abort=True)


def _order_ids(path: str) -> list[str]:
    try:
        text = sys.stdin.read() if path == STANDARD_STREAM else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            [FieldError("orders", field_text("option.not_readable", path=path, why=error))]
        ) from None
    order_ids = text.split()
    for each in order_ids:
        if not is_order_id(each):
            raise Invalid([FieldError("orders", field_text("option.order_id", text=each))])
    return order_ids


@app.command(help="List the orders whose customer was erased, to erase them again after a restore.")
def erased(
    *,
    since: Annotated[str, typer.Option(help="First day, such as 2026-03-31.")] = "2000-01-01",
    as_json: AsJson = False,
) -> None:
    """List the orders whose customer was erased."""
    first_day = day(since, "since")
    assert first_day is not None
    found = operate(
        lambda database, runtime: erased_orders(
            database, datetime.combine(first_day, time.min, runtime.zone).astimezone(UTC)
        )
    )
    if as_json:
        print_json(
            [{"order_id": row.order_id, "customer_erased_at": row.customer_erased_at} for row in found]
        )
        return
    for row in found:
        typer.echo(row.order_id)
