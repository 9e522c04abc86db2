"""A watch on the locks that a migration holds, and on how long others wait for a lock meanwhile."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

MIGRATION = "migration"
"""The application_name of the session that migrates."""
LOOK_EVERY_SECONDS = 0.02
_TABLES = "SELECT array_agg(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_LOOK = """
SELECT count(*) FILTER (
           WHERE application_name = %(migration)s AND granted AND relation = ANY (%(tables)s)
               AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       ) > 0,
       coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)) FILTER (
           WHERE application_name <> %(migration)s AND NOT granted
       ), 0)::float
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database()
"""


@dataclass
class Locks:
    """`held_seconds`: the longest time in which a lock of the migration kept others from writing to a table that existed
    before. `waited_seconds`: the longest wait of another session for any lock.
    """

    held_seconds: float = 0
    waited_seconds: float = 0
    looks: int = 0


@contextmanager
def watched(dsn: str) -> Generator[Locks]:
    """Watch the locks of a database during the block."""
    locks, is_over = Locks(), threading.Event()
    with psycopg.connect(dsn, autocommit=True, application_name="watch") as connection:
        [[tables]] = connection.execute(_TABLES).fetchall()
        values = {"migration": MIGRATION, "tables": tables}

        def look() -> None:
            held_since = None
            while not is_over.is_set():
                began = time.monotonic()
                [[is_held, waited]] = connection.execute(_LOOK, values).fetchall()
                held_since = (held_since or began) if is_held else None
                if held_since is not None:
                    locks.held_seconds = max(locks.held_seconds, time.monotonic() - held_since)
                locks.waited_seconds = max(locks.waited_seconds, waited)
                locks.looks += 1
                is_over.wait(LOOK_EVERY_SECONDS)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield locks
        finally:
            is_over.set()
            looking.join()
