"""`premade generate`."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from premade.audit.actors import COMMAND_ACTOR
from premade.catalog.product import PRODUCT_ID_MAX
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.generation.batch_request import BatchRequest
from premade.generation.large import CONNECTIONS, QUANTITY_MAX, BatchProgress, LargeBatches, check
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partner_named
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.texts.commands import command_text
from premade.texts.fields import field_text
from premade.tickets.signing import Signers
from premade.values.operator_input import day
from premade.values.texts import cleaned

LINES_A_BATCH = 10
"""Progress lines per batch without a terminal."""
INTERRUPTED = 130


def generate(
    *,
    partner: Annotated[str, typer.Option(help="Partner that gets the tickets.")],
    batch: Annotated[str, typer.Option(help="Batch id, unique for the partner.")],
    product: Annotated[int | None, typer.Option(help="Product id.")] = None,
    quantity: Annotated[
        int | None, typer.Option(help=f"Number of tickets, at most {QUANTITY_MAX:,}.")
    ] = None,
    valid_until: Annotated[str | None, typer.Option(help="Last day of sale, such as 2026-03-31.")] = None,
    reservation: Annotated[
        str | None, typer.Option(help="Reservation of the partner that provides the stock.")
    ] = None,
    cancel: Annotated[
        bool,
        typer.Option("--cancel", help="Stop the generation, and release the stock of the missing tickets."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Generate a large batch, continue it, or stop it with `cancel`."""
    batch, reservation = cleaned(batch), reservation and cleaned(reservation)
    if cancel:
        if any(option is not None for option in (product, quantity, valid_until, reservation)):
            raise Invalid([FieldError("cancel", field_text("option.cancel_alone"))])
        progress = operate(lambda database, runtime: _stop(database, runtime, partner, batch))
        show_one(asdict(progress), as_json=as_json)
        return
    request = _request(product, quantity, batch, valid_until, reservation)
    try:
        with _progress(is_quiet=as_json) as report:
            progress = operate(
                lambda database, runtime: _generate(database, runtime, partner, request, report),
                connections_max=CONNECTIONS,
            )
    except KeyboardInterrupt:
        typer.echo(f"premade: {command_text('PROGRESS', 'generation_interrupted')}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    show_one(asdict(progress), as_json=as_json)


def _request(
    product: int | None, quantity: int | None, batch: str, valid_until: str | None, reservation: str | None
) -> BatchRequest:
    errors: list[FieldError] = []
    if product is None or not 1 <= product <= PRODUCT_ID_MAX:
        errors.append(FieldError("product", field_text("option.product")))
    if quantity is None:
        errors.append(FieldError("quantity", field_text("option.quantity")))
    if errors:
        raise Invalid(errors)
    assert product is not None
    assert quantity is not None
    request = BatchRequest(
        product, quantity, batch, day(valid_until, "valid_until"), None, reservation, is_large=True
    )
    check(request)
    return request


async def _owner(database: Database, partner: str) -> OnBehalf:
    async with database.single_statement() as tx:
        row = await partner_named(tx, partner)
    return OnBehalf(row.partner_id, row.channel, COMMAND_ACTOR)


async def _generate(
    database: Database,
    runtime: Runtime,
    partner: str,
    request: BatchRequest,
    report: Callable[[BatchProgress], None],
) -> BatchProgress:
    batches = LargeBatches(database, runtime, Signers(database, runtime))
    return await batches.generate(await _owner(database, partner), request, report)


async def _stop(database: Database, runtime: Runtime, partner: str, batch_id: str) -> BatchProgress:
    batches = LargeBatches(database, runtime, Signers(database, runtime))
    return await batches.stop(await _owner(database, partner), batch_id)


@contextmanager
def _progress(*, is_quiet: bool) -> Generator[Callable[[BatchProgress], None]]:
    """Show progress on standard error: a bar on a terminal, lines elsewhere. Standard output has the result only."""
    console = Console(stderr=True)
    if is_quiet:
        yield lambda _: None
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("Tickets", total=None)
            yield lambda batch: progress.update(task, completed=batch.made, total=batch.quantity)
    else:
        yield _lines()


def _lines() -> Callable[[BatchProgress], None]:
    last_step = -1

    def report(batch: BatchProgress) -> None:
        nonlocal last_step
        step = batch.made * LINES_A_BATCH // batch.quantity
        if step > last_step:
            last_step = step
            typer.echo(
                command_text("PROGRESS", "tickets", made=batch.made, quantity=batch.quantity), err=True
            )

    return report
