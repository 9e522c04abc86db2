"""`premade allotment`."""

from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.stock.allotment import list_allotments, set_allotment

app = typer.Typer(help="Stock of a product for a channel.", no_args_is_help=True)


@app.command(name="set", help="Set the stock of a product for a channel.")
def change(
    *,
    product: Annotated[int, typer.Option(help="Product id.")],
    channel: Annotated[str, typer.Option(help="Channel, such as 'ota'.")],
    quantity: Annotated[int, typer.Option(help="Total number of tickets, including issued and held ones.")],
    as_json: AsJson = False,
) -> None:
    """Set the stock of a product for a channel."""
    allotment = operate(
        lambda database, runtime: set_allotment(database, runtime, product, channel, quantity)
    )
    show_one(allotment, as_json=as_json)


@app.command(name="list", help="List the allotments with their available stock.")
def show(*, as_json: AsJson = False) -> None:
    """List the allotments with their available stock."""
    show_rows(operate(list_allotments), as_json=as_json)
