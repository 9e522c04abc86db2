"""Statements of `backup.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class Snapshot:
    snapshot: str
    taken_at: datetime


@dataclass(slots=True)
class DatabaseSetting:
    setting: str
    value: str
    role: str | None


@dataclass(slots=True)
class PreviousDatabase:
    database: str
    size: int | None


@statement
def export_snapshot() -> Snapshot: ...


@statement
def tables() -> str: ...


@statement
def has_schema() -> bool: ...


@statement
def applied_migrations() -> str: ...


@statement
def other_sessions(*, database: str) -> str: ...


@statement
def take_turn(*, database: str) -> bool: ...


@statement
def may_replace(*, database: str) -> bool: ...


@statement
def comment_of_database(*, database: str) -> str: ...


@statement
def previous_databases(*, start: str) -> PreviousDatabase: ...


@statement
def create_like(*, database: str, new_name: str) -> str: ...


@statement
def privileges_like(*, database: str, new_name: str) -> str: ...


@statement
def settings_of(*, database: str) -> DatabaseSetting: ...


@statement
def set_locally(*, setting: str, value: str) -> str: ...
