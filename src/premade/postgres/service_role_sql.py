"""Statements of `service_role.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ObjectPrivilege:
    kind: str
    """`SCHEMA`, `TABLE`, `SEQUENCE` or `FUNCTION`."""
    name: str
    """With its schema, quoted. A function has its arguments."""
    privilege: str
    is_needed: bool
    is_of_record: bool
    has: bool
    is_granted: bool


@dataclass(slots=True)
class Powers:
    is_superuser: bool
    creates_roles: bool
    owns_tables: bool
    """Whether it owns a table, or is a member of a role that does."""
    creates_schemas: bool
    is_monitor: bool


@statement
def rights(*, role: str) -> ObjectPrivilege: ...


@statement
def powers(*, role: str) -> Powers: ...


@statement
def current_role_name() -> str: ...


@statement
def open_functions() -> str: ...


@statement
def service_roles() -> str: ...
