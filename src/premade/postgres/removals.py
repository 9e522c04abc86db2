"""Migrations that remove what older versions use.

The name says so at its end. After `0030_drop_old_counts_since_0_2_0.sql`, versions since 0.2.0 can use the database. Older
versions refuse it (ADR 44).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import psycopg

from premade.postgres.application_name import process_of

Numbers = tuple[int, int, int]
"""The numbers of a version: major, minor, patch."""
NAMES_OF_0_1_0 = ("premade", "premade metrics")
"""The application_name of its connections, which does not name the version yet."""
_SINCE = re.compile(r"_since_(\d+)_(\d+)_(\d+)\.sql$")
_CONNECTED = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"


@dataclass(frozen=True, order=True)
class Removal:
    """A migration that removes something. `since`: the oldest version that does not use it."""

    since: Numbers
    name: str

    @property
    def oldest(self) -> str:
        """The version `since`, as people write it."""
        return ".".join(map(str, self.since))


def removal_of(name: str) -> Removal | None:
    """Return what the name of a migration says, None if it removes nothing."""
    found = _SINCE.search(name)
    return None if found is None else Removal((int(found[1]), int(found[2]), int(found[3])), name)


def newest_removal(applied: Collection[str]) -> Removal | None:
    """Return the migration that needs the newest version, None if none removes anything."""
    return max((removal for name in applied if (removal := removal_of(name)) is not None), default=None)


def numbers_of(text: str) -> Numbers:
    """Return the numbers of a version. `0.2.0.dev0`, which is on the way to 0.2.0, has the same."""
    major, minor, patch = (int(part) for part in text.split(".")[:3])
    return major, minor, patch


@cache
def own_version() -> str:
    """Return the version of this process."""
    return version("premade")


def older_processes(connection: psycopg.Connection, since: Numbers) -> list[str]:
    """Return the names of the connected processes of older versions."""
    rows = connection.execute(_CONNECTED, [connection.info.backend_pid]).fetchall()
    return versions_before(since, [row[0] for row in rows if row[0]])


def versions_before(since: Numbers, names: Collection[str]) -> list[str]:
    """Return those names of connections that are of processes of older versions, each once."""
    return sorted(
        name for name in set(names) if (numbers := _version_of(name)) is not None and numbers < since
    )


def _version_of(application_name: str) -> Numbers | None:
    """Return the version of a process of premade, None for other programs."""
    if application_name in NAMES_OF_0_1_0:
        return 0, 1, 0
    process = process_of(application_name)
    return None if process is None else numbers_of(process.version)
