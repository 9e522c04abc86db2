"""Statements of `signing.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class SigningKeyRow:
    key_id: str
    seed: bytes | None
    """Plain, of a key from before version 0.3.0."""
    sealed_seed: bytes | None


@dataclass(slots=True)
class ListedSigningKey:
    key_id: str
    public_key: bytes
    created_at: datetime
    retired_at: datetime | None
    is_sealed: bool


@dataclass(slots=True)
class TokenCount:
    unused: int
    active: int


@statement
def current_key(*, test_letter: str, live_letter: str, partner_id: int) -> SigningKeyRow: ...


@statement
def key_by_id(*, key_id: str) -> SigningKeyRow: ...


@statement
def keys_by_age() -> SigningKeyRow: ...


@statement
def connected_names() -> str: ...


@statement
def set_sealed_seed(*, key_id: str, sealed_seed: bytes) -> None: ...


@statement
def lock_signing_keys() -> None: ...


@statement
def add_key(
    *, key_id: str, seed: bytes | None, sealed_seed: bytes | None, public_key: bytes, now: datetime
) -> None: ...


@statement
def list_keys() -> ListedSigningKey: ...


@statement
def retire_key(*, now: datetime, key_id: str) -> None: ...


@statement
def tickets_with_tokens_of(*, key_id: str) -> TokenCount: ...
