"""Statements of `gauges.sql`, and their rows."""

from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def database_now() -> datetime: ...
