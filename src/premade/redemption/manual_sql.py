"""Statements of `manual.sql`."""

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def customer_phone(*, ticket_code: str, partner_id: int | None) -> str: ...
