"""Statements of `second_factor.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.statements import statements_of
from premade.staff.role import Role

statement = statements_of(__file__)


@dataclass(slots=True)
class SecondFactorRow:
    secret: str
    created_at: datetime
    last_step: int
    recovery_codes: int


@dataclass(slots=True)
class SealedSecret:
    staff_id: int
    secret: str


@dataclass(slots=True)
class HalfSignIn:
    staff_id: int
    name: str
    role: Role
    password_digest: str
    by_provider: bool
    has_second_factor: bool


@statement
def add_second_factor(*, staff_id: int, secret: str, now: datetime, step: int) -> int: ...


@statement
def second_factor(*, staff_id: int) -> SecondFactorRow: ...


@statement
def accept_step(*, step: int, staff_id: int) -> int: ...


@statement
def use_recovery_code(*, staff_id: int, digest: bytes) -> int: ...


@statement
def add_recovery_codes(*, staff_id: int, digests: list[bytes]) -> None: ...


@statement
def remove(*, staff_id: int) -> int: ...


@statement
def begin_sign_in(
    *, now: datetime, digest: bytes, staff_id: int, password_digest: str, by_provider: bool, length: timedelta
) -> None: ...


@statement
def half_sign_in(*, digest: bytes, now: datetime) -> HalfSignIn: ...


@statement
def end_half_sign_in(*, digest: bytes) -> int: ...


@statement
def lock_secrets() -> SealedSecret: ...


@statement
def set_secret(*, secret: str, staff_id: int) -> None: ...
