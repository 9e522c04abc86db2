"""Names of products and functions by language, for guests and guards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import FunctionNamed
from premade.audit.record import record
from premade.catalog import names_sql as sql
from premade.catalog.product import ProductUnknown
from premade.catalog.product_input import read_names
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text


@dataclass(frozen=True)
class ShownNames:
    """The names of a product and its functions in one language. Each has one."""

    product: str
    functions: Mapping[str, str]
    """By function code, in the order of display."""


def name_in(names: Mapping[str, str], language: str, otherwise: str) -> str:
    """Return the name in this language (`zh-Hant`), or else `otherwise`: the product's own name, or the function's code."""
    return names.get(language) or otherwise


async def names_of_product(
    database: Database, product_id: int, languages: Sequence[str]
) -> dict[str, ShownNames]:
    """Return the names of a product and its functions in each of these languages (`en`, `zh-Hant`).

    Raises:
        ProductUnknown: no product has this id.
    """
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.names_of_product, product_id=product_id)
    if row is None:
        raise ProductUnknown("to_operator", product_id)
    return {
        language: ShownNames(
            name_in(row.names, language, row.name),
            {code: name_in(names, language, code) for code, names in row.functions.items()},
        )
        for language in languages
    }


async def list_function_names(database: Database) -> dict[str, dict[str, str]]:
    """Return the names of every function by language, by function code."""
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(sql.function_names)
    return {row.function_code: row.names for row in rows}


async def function_names_in(database: Database, language: str) -> dict[str, str]:
    """Return the name of each function that has one in this language, by function code."""
    names = await list_function_names(database)
    return {code: each[language] for code, each in names.items() if language in each}


async def name_function(
    database: Database,
    runtime: Runtime,
    function_code: str,
    names: Mapping[str, str],
    *,
    actor: str = COMMAND_ACTOR,
) -> dict[str, str]:
    """Replace the names of a function, in all products, and return them. `names`: by language tag.

    Raises:
        Invalid: no product has this function, or a name is not valid.
    """
    checked = read_names(names)
    async with database.transaction() as tx:
        known = [row.function_code for row in await tx.fetch_all(sql.function_names)]
        if function_code not in known:
            raise Invalid([FieldError("function", field_text("general.one_of", choices=", ".join(known)))])
        await tx.execute(sql.set_names, function_code=function_code, names=orjson.dumps(checked).decode())
        event = FunctionNamed(function_code=function_code, names=checked)
        await record(tx, event, runtime.now(), partner_id=None, actor=actor)
    return checked
