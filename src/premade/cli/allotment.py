"""`premade allotment`."""

from typing import Annotated

import typer

from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.stock.allotment import list_allotments, set_allotment

app = typer.Typer(help="The stock of a product given to a channel.", no_args_is_help=True)


@app.command(name="set")
def change(
    *,
    product: Annotated[int, typer.Option(help="The product id.")],
    channel: Annotated[str, typer.Option(help="The channel, such as 'ota'.")],
    quantity: Annotated[int, typer.Option(help="Tickets in all, those issued included.")],
    as_json: AsJson = False,
) -> None:
    """Give a channel stock of a product."""
    allotment = operate(
        lambda database, runtime: set_allotment(database, runtime, product, channel, quantity)
    )
    show_one(allotment, as_json=as_json)


@app.command(name="list")
def show(*, as_json: AsJson = False) -> None:
    """List the allotments, with what is left of each."""
    show_rows(operate(list_allotments), as_json=as_json)
