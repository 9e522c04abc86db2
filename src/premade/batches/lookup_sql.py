"""Statements of `lookup.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class CountedBatch:
    """A batch with the number of its tickets in each state."""

    batch_id: str
    product_id: int
    quantity: int
    price: Decimal
    currency: str
    valid_until: date | None
    created_at: datetime
    to_make: int
    unmade: int
    pre_generated: int
    active: int
    used: int
    expired: int
    cancelled: int


@dataclass(slots=True)
class BatchWithTerms(CountedBatch):
    usable_days: int | None
    usable_until: date | None
    reservation_id: str | None
    metadata: dict[str, Any] | None


@dataclass(slots=True)
class ListedBatch(BatchWithTerms):
    tickets_before: int
    place: int
    matches: bool


@dataclass(slots=True)
class BatchRow(BatchWithTerms):
    channel: str


@dataclass(slots=True)
class BatchOfAny(CountedBatch):
    partner_id: int
    tickets_before: int
    place: int
    matches: bool


@dataclass(slots=True)
class IssuedTickets:
    tickets: int
    batches: int


@statement
def batches_by_time(
    *,
    product_id: int,
    status: str,
    partner_id: int,
    after_created_at: datetime | None,
    after_batch_id: str | None,
    created_from: datetime | None,
    rows_read_max: int,
    rows: int,
) -> ListedBatch: ...


@statement
def batch_by_id(*, partner_id: int, batch_id: str) -> BatchRow: ...


@statement
def batches_of_all(
    *,
    product_id: int,
    status: str,
    after_created_at: datetime | None,
    after_partner_id: int | None,
    after_batch_id: str | None,
    rows_read_max: int,
    rows: int,
) -> BatchOfAny: ...


@statement
def issued_of_product(*, product_id: int) -> IssuedTickets: ...
