"""Statements of `registry.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class KnownDevice:
    state: str
    last_used_at: datetime


@statement
def find_device(*, owner: str, device_id: str, partner_id: int | None) -> KnownDevice: ...


@statement
def register_device(
    *,
    actor: str,
    state: str,
    owner: str,
    device_id: str,
    others_max: int,
    partner_id: int | None,
    now: datetime,
) -> str: ...
