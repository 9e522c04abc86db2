"""Statements of `session.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.postgres.statements import statements_of
from premade.staff.role import Role

statement = statements_of(__file__)


@dataclass(slots=True)
class PasswordRow:
    staff_id: int
    role: Role
    password_digest: str
    disabled_at: datetime | None
    has_second_factor: bool


@dataclass(slots=True)
class SessionRow:
    staff_id: int
    name: str
    role: Role
    last_seen_at: datetime


@statement
def member_by_name(*, name: str) -> PasswordRow: ...


@statement
def open_session(
    *, digest: bytes, now: datetime, length: timedelta, staff_id: int, password_digest: str
) -> int: ...


@statement
def change_password(*, new_digest: str, staff_id: int, password_digest: str) -> int: ...


@statement
def sweep_sessions(*, now: datetime) -> None: ...


@statement
def member_by_session(*, digest: bytes, now: datetime, seen_after: datetime) -> SessionRow: ...


@statement
def note_seen(*, now: datetime, digest: bytes) -> None: ...


@statement
def close_sessions(*, staff_id: int, digest: bytes | None) -> None: ...


@statement
def replace_session(*, digest: bytes) -> None: ...


@statement
def known_browser(*, digest: bytes, staff_id: int, now: datetime) -> int: ...


@statement
def know_browser(
    *, staff_id: int, previous: bytes | None, others_max: int, digest: bytes, now: datetime, length: timedelta
) -> None: ...


@statement
def forget_browsers(*, staff_id: int) -> None: ...


@statement
def count_sessions(*, staff_id: int, now: datetime, seen_after: datetime) -> int: ...
