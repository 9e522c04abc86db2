"""Statements of `member.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of
from premade.staff.role import Role

statement = statements_of(__file__)


@dataclass(slots=True)
class StaffRow:
    staff_id: int
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@statement
def add(*, name: str, role: str, password_digest: str, now: datetime) -> StaffRow: ...


@statement
def list_staff() -> StaffRow: ...


@statement
def by_name(*, name: str) -> StaffRow: ...


@statement
def digest_by_name(*, name: str) -> str: ...


@statement
def set_password(*, password_digest: str, staff_id: int) -> None: ...


@statement
def set_role(*, role: str, staff_id: int) -> StaffRow: ...


@statement
def set_disabled(*, disabled_at: datetime | None, staff_id: int) -> StaffRow: ...


@statement
def end_sessions(*, staff_id: int) -> None: ...
