"""Statements of `owner.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketOwner:
    partner_id: int
    partner: str
    is_test: bool
    product: str


@dataclass(slots=True)
class OrderOwner:
    partner_id: int
    partner: str
    is_test: bool


@statement
def partner_of_ticket(*, ticket_code: str) -> TicketOwner: ...


@statement
def partner_of_order(*, order_id: str) -> OrderOwner: ...
