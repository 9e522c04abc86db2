"""Statements of `allotment.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

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
class ProductOfPartner:
    product_id: int
    name: str
    ticket_type: str
    code_prefix: str
    price: Decimal
    currency: str
    usable_days: int | None
    usable_until: date | None
    cancellation: str
    functions: list[dict[str, Any]] | None


@statement
def set_allotment(
    *, product_id: int, channel: str, quantity: int, is_seen: bool, seen: int | None
) -> AllotmentRow: ...


@statement
def list_allotments(*, now: datetime, product_ids: list[int] | None) -> ListedAllotment: ...


@statement
def inventory_of_partner(
    *, now: datetime, partner_id: int, after_product_id: int | None, product_ids: list[int] | None, rows: int
) -> InventoryRow: ...


@statement
def products_of_partner(*, partner_id: int, after_product_id: int | None, rows: int) -> ProductOfPartner: ...
