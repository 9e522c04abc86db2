"""Statements of `allotment.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from premade.catalog.product_sql import ProductFacts
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class AllotmentRow:
    product_id: int
    channel: str
    allotted: int
    issued: int
    held: int
    available: int


@dataclass(slots=True)
class ListedAllotment(AllotmentRow):
    is_test: bool


@dataclass(slots=True)
class InventoryRow:
    product_id: int
    name: str
    price: Decimal
    currency: str
    allotted: int
    issued: int
    held: int
    available: int


@dataclass(slots=True)
class ProductOfPartner(ProductFacts):
    functions: list[dict[str, Any]] | None


@statement
def set_allotment(
    *, product_id: int, channel: str, quantity: int, is_expected: bool, expected: int | None
) -> AllotmentRow: ...


@statement
def list_allotments(*, now: datetime, product_ids: list[int] | None) -> ListedAllotment: ...


@statement
def inventory_of_partner(
    *, now: datetime, partner_id: int, after_product_id: int | None, product_ids: list[int] | None, rows: int
) -> InventoryRow: ...


@statement
def products_of_partner(*, partner_id: int, after_product_id: int | None, rows: int) -> ProductOfPartner: ...
