"""`premade product`."""

from dataclasses import asdict
from typing import Annotated, cast

import typer

from premade.catalog.names import list_function_names, name_function
from premade.catalog.product import (
    DEFAULT_CODE_PREFIX,
    Cancellation,
    Product,
    ProductChanges,
    add_product,
    change_product,
    list_products,
)
from premade.catalog.product_input import read_functions, read_name_options, read_price
from premade.cli.operate import operate
from premade.cli.output import AsJson, show_one, show_rows
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.values.operator_input import day

app = typer.Typer(help="Products, with their functions and prices.", no_args_is_help=True)

NAME = "Name of the product."
TYPE = "Type in the ticket code: 2 to 12 letters A to Z."
PRICE = "Price of one ticket, with at most the decimals of its currency: 288.00 HKD, 288 JPY."
CURRENCY = "Currency code (ISO 4217), such as HKD."
PREFIX = "Prefix of the ticket code."
UsableDays = Annotated[
    int | None, typer.Option(help="Number of days after the day of activation on which a ticket can be used.")
]
UsableUntil = Annotated[str | None, typer.Option(help="Fixed last day of use, such as 2026-03-31.")]
CANCELLATION = typer.Option(help="Until when a sold ticket can be cancelled.")
Entitles = Annotated[
    list[str], typer.Option(help="function_code=uses, such as ferry=2. Repeat for each function.")
]


NamesIn = Annotated[
    list[str] | None,
    typer.Option(
        "--name-in",
        help="Name for guests and guards in a language, such as zh-Hant=維港遊. Repeat for each language.",
    ),
]


@app.command(help="Add a product.")
def add(
    *,
    product_id: Annotated[int, typer.Option("--id", help="Product id, such as 106.")],
    name: Annotated[str, typer.Option(help=NAME)],
    ticket_type: Annotated[str, typer.Option("--type", help=TYPE)],
    price: Annotated[str, typer.Option(help=PRICE)],
    currency: Annotated[str, typer.Option(help=CURRENCY)],
    entitles: Entitles,
    prefix: Annotated[str, typer.Option(help=PREFIX)] = DEFAULT_CODE_PREFIX,
    usable_days: UsableDays = None,
    usable_until: UsableUntil = None,
    cancellation: Annotated[Cancellation, CANCELLATION] = Cancellation.UNTIL_FIRST_USE,
    name_in: NamesIn = None,
    as_json: AsJson = False,
) -> None:
    """Add a product."""
    functions = read_functions(entitles)
    product = Product(
        product_id,
        name,
        ticket_type,
        read_price(price),
        currency,
        functions,
        prefix,
        usable_days,
        day(usable_until, "usable_until"),
        cancellation,
        read_name_options(name_in or []),
    )
    operate(lambda database, runtime: add_product(database, runtime, product))
    show_one(asdict(product.as_kept()), as_json=as_json)


@app.command(
    name="set", help="Change a product. Existing batches keep their price, functions and days of use."
)
def change(
    product_id: Annotated[int, typer.Argument(help="Product id.")],
    *,
    name: Annotated[str | None, typer.Option(help=NAME)] = None,
    ticket_type: Annotated[str | None, typer.Option("--type", help=TYPE)] = None,
    price: Annotated[str | None, typer.Option(help=PRICE)] = None,
    currency: Annotated[str | None, typer.Option(help=CURRENCY)] = None,
    entitles: Annotated[
        list[str] | None, typer.Option(help="Functions that replace all present ones, such as ferry=2.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help=PREFIX)] = None,
    usable_days: UsableDays = None,
    usable_until: UsableUntil = None,
    usable_for_ever: Annotated[
        bool, typer.Option("--usable-for-ever", help="Remove the last day of use.")
    ] = False,
    cancellation: Annotated[Cancellation | None, CANCELLATION] = None,
    name_in: Annotated[
        list[str] | None,
        typer.Option(
            "--name-in", help="Names by language that replace all present ones, such as zh-Hant=維港遊."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a product."""
    options = {
        "name": name,
        "ticket_type": ticket_type,
        "price": None if price is None else read_price(price),
        "currency": currency,
        "functions": read_functions(entitles) if entitles else None,
        "code_prefix": prefix,
        "cancellation": cancellation,
        "names": read_name_options(name_in) if name_in else None,
    }
    changes = cast("ProductChanges", {field: value for field, value in options.items() if value is not None})
    has_last_day = usable_days is not None or usable_until is not None
    if usable_for_ever and has_last_day:
        raise Invalid([FieldError("usable_for_ever", field_text("option.one_last_day"))])
    if usable_for_ever or has_last_day:
        changes |= {"usable_days": usable_days, "usable_until": day(usable_until, "usable_until")}
    product = operate(lambda database, runtime: change_product(database, runtime, product_id, **changes))
    show_one(asdict(product), as_json=as_json)


@app.command(name="list", help="List the products.")
def show(*, as_json: AsJson = False) -> None:
    """List the products."""
    products = operate(lambda database, _: list_products(database))
    show_rows([asdict(product) for product in products], as_json=as_json)


@app.command(
    name="name-function",
    help="Set the names of a function for guests and guards. They replace all present ones, in all products.",
)
def name(
    function_code: Annotated[str, typer.Argument(help="Function code, such as tea_set.")],
    names: Annotated[
        list[str],
        typer.Argument(help="Language and name, such as zh-Hant=茶點套餐. Repeat for each language."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Set the names of a function."""
    stored = operate(
        lambda database, runtime: name_function(database, runtime, function_code, read_name_options(names))
    )
    show_one({"function_code": function_code, "names": stored}, as_json=as_json)


@app.command(name="functions", help="List the functions of all products, with their names.")
def functions(*, as_json: AsJson = False) -> None:
    """List the functions of all products."""
    rows = operate(lambda database, _: list_function_names(database))
    show_rows([{"function_code": code, "names": names} for code, names in rows.items()], as_json=as_json)
