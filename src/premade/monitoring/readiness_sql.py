"""Statements of `readiness.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ServerState:
    is_migrated: bool
    takes_no_writes: bool
    database_now: datetime


@dataclass(slots=True)
class TriedWrite:
    is_logged: bool
    numbers: int


@statement
def check_readiness() -> ServerState: ...


@statement
def applied_migrations() -> str: ...


@statement
def try_write() -> TriedWrite: ...
