"""Statements of `keys.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class KeyToRotate:
    key_id: int
    partner_id: int | None
    permissions: list[str]
    expires_at: datetime | None
    is_test: bool
    first_key_id: int
    label: str
    networks: list[str]
    successor: int | None


@dataclass(slots=True)
class RevokedKey:
    key_id: int
    partner_id: int | None
    revoked_at: datetime | None


@dataclass(slots=True)
class ListedKey:
    key_id: int
    partner: str | None
    is_test: bool
    prefix: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_from: int | None
    label: str
    networks: list[str]


@dataclass(slots=True)
class ChangedKey:
    key_id: int
    partner_id: int | None
    label: str
    networks: list[str]


@dataclass(slots=True)
class KeyOfPartner:
    key_id: int
    is_test: bool
    prefix: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_from: int | None
    label: str
    networks: list[str]
    has_successor: bool


@dataclass(slots=True)
class KeyDetails(KeyOfPartner):
    partner_id: int | None
    partner: str | None


@statement
def insert_key(
    *,
    partner_id: int | None,
    prefix: str,
    digest: bytes,
    permissions: list[str],
    now: datetime,
    expires_at: datetime | None,
    rotated_from: int | None,
    once: str | None,
    is_test: bool,
    first_key_id: int | None,
    label: str,
    networks: list[str],
) -> int: ...


@statement
def key_to_rotate(*, key_id: int) -> KeyToRotate: ...


@statement
def end_key(*, now: datetime, overlap: timedelta, key_id: int) -> datetime: ...


@statement
def revoke_key(*, now: datetime, key_id: int) -> RevokedKey: ...


@statement
def list_keys() -> ListedKey: ...


@statement
def keys_of(*, partner_id: int | None) -> KeyOfPartner: ...


@statement
def key_by_id(*, key_id: int) -> KeyDetails: ...


@statement
def change_key(*, label: str, networks: list[str], key_id: int) -> ChangedKey: ...
