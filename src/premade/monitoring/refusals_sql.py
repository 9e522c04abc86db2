"""Statements of `refusals.sql`, and their rows."""

from datetime import date

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def add_refusals(*, day: date, refusals: str) -> None: ...
