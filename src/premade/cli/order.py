"""`premade order`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.record import ActingFor
from premade.audit.views import record_customer_views
from premade.cancellation.cancel_order import CancelOrderRequest, OrderCanceller
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one
from premade.cli.reason import COMMAND_REQUEST, Reason
from premade.orders.lookup import order_of
from premade.orders.owner import partner_of_order
from premade.postgres.database import Database
from premade.postgres.statements import columns_of
from premade.runtime.clock import Runtime

app = typer.Typer(help="Orders: show one, and cancel one.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(help="Order id.")]


@app.command(help="Show an order with its customer. The audit record names each order that is shown.")
def show(order_id: OrderId, *, as_json: AsJson = False) -> None:
    """Show an order with its customer."""

    async def read(database: Database, runtime: Runtime) -> Mapping[str, object]:
        owner = await partner_of_order(database, order_id)
        order = await order_of(database, owner.partner_id, order_id)
        await record_customer_views(
            database, runtime, order_ids=[order_id], actor=COMMAND_ACTOR, request_id=COMMAND_REQUEST
        )
        return {**columns_of(order), "partner": owner.partner}

    show_one(operate(read), as_json=as_json)


@app.command(help="Cancel all tickets of an order, or none if one of them is used.")
def cancel(order_id: OrderId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Cancel an order."""

    async def run(database: Database, canceller: OrderCanceller) -> Any:
        owner = await partner_of_order(database, order_id)
        request = CancelOrderRequest(ActingFor(owner.partner_id), COMMAND_REQUEST, order_id, reason)
        return await canceller.cancel(request)

    show_one(
        operate(lambda database, runtime: run(database, OrderCanceller(database, runtime))), as_json=as_json
    )
