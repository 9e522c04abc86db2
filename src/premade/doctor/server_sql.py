"""Statements of `server.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class ServerSettings:
    version_number: int
    data_folder: str | None


@dataclass(slots=True)
class Connections:
    limit_of_all: int
    used: int


@dataclass(slots=True)
class Encryption:
    is_encrypted: bool
    is_local: bool
    """Whether both ends of the connection are on this machine."""


@statement
def server_settings() -> ServerSettings: ...


@statement
def default_zone() -> str: ...


@statement
def connections() -> Connections: ...


@statement
def encryption() -> Encryption: ...


@statement
def application_names() -> str: ...


@statement
def tables_are_spread() -> bool: ...


@statement
def incarnation_begun_at() -> datetime: ...
