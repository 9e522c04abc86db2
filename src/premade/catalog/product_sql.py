"""Statements of `product.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ProductFacts:
    """A product without its functions."""

    product_id: int
    name: str
    ticket_type: str
    code_prefix: str
    price: Decimal
    currency: str
    usable_days: int | None
    usable_until: date | None
    cancellation: str
    names: dict[str, str]
    """By language tag."""


@dataclass(slots=True)
class ProductRow(ProductFacts):
    functions: dict[str, int]


@statement
def add_product(
    *,
    product_id: int,
    name: str,
    ticket_type: str,
    code_prefix: str,
    price: Decimal,
    currency: str,
    usable_days: int | None,
    usable_until: date | None,
    cancellation: str,
    names: str,
    now: datetime,
) -> None: ...


@statement
def change_product(
    *,
    name: str,
    ticket_type: str,
    code_prefix: str,
    price: Decimal,
    currency: str,
    usable_days: int | None,
    usable_until: date | None,
    cancellation: str,
    names: str,
    product_id: int,
) -> None: ...


@statement
def forget_functions(*, product_id: int) -> None: ...


@statement
def add_functions(*, product_id: int, functions: str) -> None: ...


@statement
def list_products(
    *, product_id: int | None, after_product_id: int | None, sought: str | None, rows: int | None
) -> ProductRow: ...


@statement
def lock_product(*, product_id: int) -> int: ...


@statement
def list_functions() -> str: ...
