"""A check: what it may use, and the form of its results."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType

from premade.postgres.database import Database
from premade.postgres.marker import Marker
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings

ANY = "any"
"""Name in the list of texts for results that every check can have."""
NO_FACTS: Mapping[str, str] = MappingProxyType({})


class Mark(StrEnum):
    """Mark of a result, the least serious first."""

    OK = "ok"
    UNCHECKED = "unchecked"
    WARNING = "warning"
    WRONG = "wrong"


class Needs(IntEnum):
    """What a check cannot do without. Each includes those before it."""

    NOTHING = 0
    SETTINGS = 1
    DATABASE = 2
    SCHEMA = 3


@dataclass(frozen=True)
class Result:
    """A result of a check. Its text is in `texts/doctor.toml`, under the name of the check and this reason."""

    reason: str
    values: Mapping[str, object]
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Details by name, listed below the text."""
    of: str = ""
    """Name in the list of texts, if it is not the name of the check."""


def result(reason: str, facts: Mapping[str, str] = NO_FACTS, **values: object) -> Result:
    """Return a result. `values`: those in its text."""
    return Result(reason, values, facts)


@dataclass(frozen=True)
class SettingFault:
    """A variable with a value that is not valid."""

    variable: str
    why: str


@dataclass
class Installation:
    """The installation that is checked. A check uses only what it needs."""

    runtime: Runtime
    setting_faults: Sequence[SettingFault] = ()
    settings_if_valid: Settings | None = None
    database_state: Result | None = None
    """Whether the database can be reached; a result of the check `database`. None without valid settings."""
    dsn: str = ""
    database_if_reached: Database | None = None
    marker: Marker | None = None
    has_schema: bool = False
    """Whether the schema is that of this version; set by the check `schema`."""

    @property
    def settings(self) -> Settings:
        """The settings, for a check that needs them."""
        assert self.settings_if_valid is not None
        return self.settings_if_valid

    @property
    def database(self) -> Database:
        """The database, for a check that needs it."""
        assert self.database_if_reached is not None
        return self.database_if_reached

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the embedded one."""
        return self.settings.database_url is None

    def lack(self, needs: Needs) -> Result | None:
        """Return why a check with these needs cannot run, or None if it can."""
        if needs >= Needs.SETTINGS and self.settings_if_valid is None:
            return Result("no_settings", {}, of=ANY)
        if needs >= Needs.DATABASE and self.database_if_reached is None:
            return Result("no_database", {}, of=ANY)
        if needs >= Needs.SCHEMA and not self.has_schema:
            return Result("no_schema", {}, of=ANY)
        return None


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    """In the output and in the list of texts."""
    examine: Callable[[Installation], Awaitable[Sequence[Result]]]
    needs: Needs
