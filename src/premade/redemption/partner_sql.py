"""Statements of `partner.sql`, and their rows."""

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def partner_of_ticket(*, ticket_code: str) -> int: ...
