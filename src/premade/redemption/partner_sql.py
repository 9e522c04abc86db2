"""Statements of `partner.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketOfPartner:
    ticket_code: str
    partner_id: int


@statement
def partners_of_tickets(*, ticket_codes: list[str]) -> TicketOfPartner: ...
