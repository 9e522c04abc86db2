"""Statements of `limits.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class LimitRow:
    limit_name: str
    value: int


@statement
def limits_of(*, partner_id: int) -> LimitRow: ...


@statement
def lock_limits(*, partner_id: int) -> str: ...


@statement
def set_limits(*, partner_id: int, names: list[str], new_values: list[int]) -> None: ...


@statement
def remove_limits(*, partner_id: int, names: list[str]) -> None: ...
