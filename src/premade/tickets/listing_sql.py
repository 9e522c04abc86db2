"""Statements of `listing.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of
from premade.tickets.lookup_sql import TicketRow

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketOnPage(TicketRow):
    ticket_id: int
    place: int
    matches: bool


@dataclass(slots=True)
class TicketOfPayment(TicketOnPage):
    paid_by: str


@statement
def tickets_by_time(
    *,
    status: str | None,
    product_id: int | None,
    activated_from: datetime | None,
    activated_before: datetime | None,
    partner_id: int,
    after_created_at: datetime | None,
    after_ticket_id: int | None,
    created_from: datetime | None,
    created_before: datetime | None,
    rows_read_max: int,
    rows: int,
) -> TicketOnPage: ...


@statement
def tickets_of_batch(
    *,
    created_from: datetime | None,
    created_before: datetime | None,
    status: str | None,
    product_id: int | None,
    activated_from: datetime | None,
    activated_before: datetime | None,
    partner_id: int,
    batch_id: str,
    after_ticket_code: str | None,
    rows_read_max: int,
    rows: int,
) -> TicketOnPage: ...


@statement
def tickets_of_payment(
    *,
    batch_id: str,
    created_from: datetime | None,
    created_before: datetime | None,
    status: str | None,
    product_id: int | None,
    activated_from: datetime | None,
    activated_before: datetime | None,
    payment_reference: str,
    partner_id: int,
    after_paid_by: str | None,
    after_ticket_code: str | None,
    rows_read_max: int,
    rows: int,
) -> TicketOfPayment: ...
