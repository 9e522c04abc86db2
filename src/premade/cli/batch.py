"""`premade batch`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from premade.audit.record import ActingFor
from premade.batches.lookup import batch_of, list_batches
from premade.cancellation.cancel_batch import BatchCanceller, CancelBatchRequest
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.cli.reason import COMMAND_REQUEST, Reason
from premade.partners.partner import partner_id_of
from premade.postgres.database import Database
from premade.postgres.statements import columns_of

app = typer.Typer(help="Batches: list, show, and cancel the unused tickets of one.", no_args_is_help=True)
BATCHES_DEFAULT, BATCHES_MAX = 25, 1_000

Partner = Annotated[str, typer.Option(help="Name of the partner.")]
BatchId = Annotated[str, typer.Argument(help="Batch id.")]
COLUMNS = ("batch_id", "product_id", "quantity", "pre_generated", "valid_until", "created_at")


@app.command(name="list", help="List the batches of a partner, newest first.")
def list_(
    *,
    partner: Partner,
    limit: Annotated[int, typer.Option(min=1, max=BATCHES_MAX, help="How many at most.")] = BATCHES_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """List the batches of a partner, newest first."""

    async def read(database: Database) -> list[Mapping[str, object]]:
        partner_id = await partner_id_of(database, partner)
        found: list[Mapping[str, object]] = []
        cursor: str | None = None
        while len(found) < limit:
            rows, cursor = await list_batches(database, partner_id, (None, None), limit - len(found), cursor)
            found += [{name: columns_of(row)[name] for name in COLUMNS} for row in rows]
            if cursor is None:
                break
        return found

    show_rows(operate(lambda database, _: read(database)), as_json=as_json)


@app.command(help="Show a batch with the number of its tickets by state.")
def show(batch_id: BatchId, *, partner: Partner, as_json: AsJson = False) -> None:
    """Show a batch."""

    async def read(database: Database) -> Any:
        return await batch_of(database, await partner_id_of(database, partner), batch_id)

    show_one(operate(lambda database, _: read(database)), as_json=as_json)


@app.command(help="Cancel the unused tickets of a batch. If it is interrupted, the same command continues.")
def cancel(batch_id: BatchId, *, partner: Partner, reason: Reason, as_json: AsJson = False) -> None:
    """Cancel the unused tickets of a batch."""

    async def run(database: Database, canceller: BatchCanceller) -> Any:
        caller = ActingFor(await partner_id_of(database, partner))
        return await canceller.cancel(CancelBatchRequest(caller, COMMAND_REQUEST, batch_id, reason))

    show_one(
        operate(lambda database, runtime: run(database, BatchCanceller(database, runtime))), as_json=as_json
    )
