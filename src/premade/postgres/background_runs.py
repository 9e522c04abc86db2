"""The last run of each background job, stored about once a minute, so that `premade doctor` can find one that stopped."""

import time
from contextlib import suppress
from datetime import timedelta

from premade.postgres import background_runs_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.errors import Unavailable

STORE_EVERY_SECONDS = 60.0
"""How often a process stores when a job last ended."""
APART = timedelta(seconds=55)
"""A row that is not older than this is new enough. A little less than the above, because timers are not exact."""
LATE_SECONDS_MAX = 180.0
"""A job is overdue if it ended longer ago than this and its pause: two times that were not stored, and a minute for a long turn."""


def with_runs_stored(database: Database, job: str, turn: Turn) -> Turn:
    """Return the turn of a background task that also stores when it ended. A failed turn is not stored."""
    stored_at = -STORE_EVERY_SECONDS

    async def turn_and_store() -> float:
        nonlocal stored_at
        pause_seconds = await turn()
        if time.monotonic() - stored_at >= STORE_EVERY_SECONDS:
            stored_at = time.monotonic()
            # The job itself has succeeded. If this cannot be stored, it must not look like a failure of the job.
            with suppress(Unavailable):
                async with database.single_statement() as tx:
                    await tx.execute(sql.store_run, job=job, pause_seconds=pause_seconds, apart=APART)
        return pause_seconds

    return turn_and_store


def is_overdue(run: sql.BackgroundRun) -> bool:
    """Return whether the job has not ended for longer than its pause explains."""
    return run.age_seconds > run.pause_seconds + LATE_SECONDS_MAX


async def last_runs(database: Database) -> list[sql.BackgroundRun]:
    """Return the last run of each job that ever ran."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(sql.background_runs)
