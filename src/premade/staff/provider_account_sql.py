"""Statements of `provider_account.sql`, and their rows."""

from datetime import datetime

from premade.postgres.statements import statements_of
from premade.staff.session_sql import PasswordRow

statement = statements_of(__file__)


@statement
def member_by_account(*, issuer: str, subject: str) -> PasswordRow: ...


@statement
def link(*, issuer: str, subject: str, now: datetime, name: str) -> int: ...


@statement
def unlink(*, staff_id: int) -> int: ...
