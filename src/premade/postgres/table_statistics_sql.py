"""Statements of `table_statistics.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class Turn:
    mine: bool
    lock_timeout: str


@dataclass(slots=True)
class GrownTable:
    table_name: str
    pages: int
    may_analyse: bool


@statement
def take_turn(*, lock: int, lock_timeout_ms: str) -> Turn: ...


@statement
def grown_tables(*, pages_min: int, pages_max: int) -> GrownTable: ...


@statement
def analyse(*, table_name: str) -> None: ...
