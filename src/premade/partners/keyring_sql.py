"""Statements of `keyring.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class KeyRow:
    """A key with its partner. `is_over`: it has expired by the database's clock. A key ends when either clock says so."""

    prefix: str
    key_id: int
    digest: bytes
    permissions: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    networks: list[str]
    partner_id: int | None
    channel: str | None
    is_test: bool
    first_key_id: int
    disabled_at: datetime | None
    limits: dict[str, int] | None
    is_over: bool


@statement
def keys_by_prefix(*, prefixes: list[str]) -> KeyRow: ...


@statement
def touch_key(*, now: datetime, key_id: int) -> None: ...
