"""Statements of `names.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class FunctionRow:
    function_code: str
    names: dict[str, str]


@dataclass(slots=True)
class ProductNamesRow:
    name: str
    names: dict[str, str]
    functions: dict[str, dict[str, str]]
    """Names by function code, in the order of display."""


@statement
def function_names() -> FunctionRow: ...


@statement
def names_of_product(*, product_id: int) -> ProductNamesRow: ...


@statement
def set_names(*, function_code: str, names: str) -> None: ...
