"""Statements of `command.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class Others:
    partners: int
    staff: int


@statement
def is_migrated() -> bool: ...


@statement
def count_others(*, own_partners: list[str], own_staff: list[str]) -> Others: ...
