"""`premade ticket`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from premade.audit.record import ActingFor
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.cli.operate import operate
from premade.cli.output import AsJson, print_json, show_one, show_rows
from premade.cli.reason import COMMAND_REQUEST, Reason
from premade.orders.owner import partner_of_ticket
from premade.postgres.database import Database
from premade.postgres.statements import columns_of
from premade.tickets.code import fold_ticket_code
from premade.tickets.lookup import ticket_with_history

app = typer.Typer(help="Tickets: show one with its history, and cancel one.", no_args_is_help=True)

Code = Annotated[str, typer.Argument(help="Ticket code.")]


@app.command(help="Show a ticket with its history, without its QR.")
def show(code: Code, *, as_json: AsJson = False) -> None:
    """Show a ticket with its history."""

    async def read(database: Database) -> tuple[Mapping[str, object], list[Mapping[str, object]]]:
        folded = fold_ticket_code(code) or code
        owner = await partner_of_ticket(database, folded)
        found = await ticket_with_history(database, owner.partner_id, folded)
        # A QR admits its bearer.
        left_out = {"qr_code", "history", "archived_before"}
        ticket = {name: value for name, value in columns_of(found.ticket).items() if name not in left_out}
        uses = {each["function_code"]: each["remaining_uses"] for each in found.ticket.entitlements}
        shown = {**ticket, "entitlements": uses, "partner": owner.partner, "product": owner.product}
        return shown, [asdict(event) for event in found.history]

    ticket, history = operate(lambda database, _: read(database))
    if as_json:
        print_json({**ticket, "history": history})
        return
    show_one(ticket, as_json=False)
    typer.echo()
    columns = ("occurred_at", "event", "function_code", "device_id", "reason", "actor")
    show_rows([{name: event[name] for name in columns} for event in history], as_json=False)


@app.command(help="Cancel a ticket. It can be sold if it is unused and its product allows it.")
def cancel(code: Code, *, reason: Reason, as_json: AsJson = False) -> None:
    """Cancel a ticket."""

    async def run(database: Database, canceller: Canceller) -> Any:
        folded = fold_ticket_code(code) or code
        owner = await partner_of_ticket(database, folded)
        request = CancelRequest(ActingFor(owner.partner_id), COMMAND_REQUEST, folded, reason)
        return await canceller.cancel(request)

    show_one(operate(lambda database, runtime: run(database, Canceller(database, runtime))), as_json=as_json)
