"""Never use a former primary: refuse a server that is behind one that this process has used.

After a failover the former primary can answer for a moment, for example if its machine hung and wakes up. Its commits wait
for a standby and are never answered, but what it reads is old: a ticket that was just generated is unknown there. Each
promotion begins a new timeline, so the lower timeline of two servers of one system is the older one.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

# A standby has no timeline of its own, and readiness refuses it.
_TIMELINE = (
    b"SELECT system_identifier::text,"
    b" CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
    b" FROM pg_control_system()"
)


@dataclass(frozen=True)
class Timeline:
    """Timeline of a primary: digits of a hexadecimal number. Other systems have their own."""

    system: str
    number: str | None

    def is_before(self, other: "Timeline | None") -> bool:
        """Return whether it is an older timeline of the same system."""
        if other is None or self.number is None or other.number is None:
            return False
        return self.system == other.system and self.number < other.number


class Timelines:
    """The timelines of a process's connections."""

    def __init__(self) -> None:
        self._newest: Timeline | None = None
        self._of: WeakKeyDictionary[AsyncConnection[TupleRow], Timeline] = WeakKeyDictionary()

    async def note(self, connection: AsyncConnection[TupleRow]) -> None:
        """Note the timeline of a new connection.

        Raises:
            psycopg.OperationalError: the server is a former primary.
        """
        row = await (await connection.execute(_TIMELINE)).fetchone()
        assert row is not None
        timeline = self._of[connection] = Timeline(*row)
        if self.is_outdated(connection):
            message = "The server is a former primary: another server has a newer timeline"
            raise psycopg.OperationalError(message)
        if timeline.number is not None:
            self._newest = timeline

    def is_outdated(self, connection: AsyncConnection[TupleRow]) -> bool:
        """Return whether another connection has reached a newer primary since this one was opened."""
        timeline = self._of.get(connection)
        return timeline is not None and timeline.is_before(self._newest)
