"""Statements of `name_keys.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class PartnerName:
    partner_id: int
    name: str
    name_key: str


@statement
def names() -> PartnerName: ...


@statement
def lock_partners() -> None: ...


@statement
def set_key(*, name_key: str, partner_id: int) -> None: ...
