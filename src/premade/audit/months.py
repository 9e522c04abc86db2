"""The partitions of the audit events, one for each month in UTC (ADR 47)."""

from premade.audit import months_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.logging import log
from premade.runtime.month import Month

LOOK_EVERY_SECONDS = 3600.0
MONTHS_AHEAD = 3
LOCK_TIMEOUT_MS = 1000
"""How long the creation of a partition waits for its lock. Requests queue up behind it. The next turn tries again."""


async def create_months(database: Database) -> list[Month]:
    """Create the missing partitions of the current month and the next MONTHS_AHEAD. Return the months that were missing."""
    async with database.transaction() as tx:
        rows = await tx.fetch_all(sql.create_months, lock_timeout_ms=str(LOCK_TIMEOUT_MS), ahead=MONTHS_AHEAD)
    return [Month.of_day(row.day) for row in rows]


async def missing_months(database: Database, ahead: int) -> list[Month]:
    """Return those of the current month and the next `ahead` that have no partition."""
    async with database.single_statement() as tx:
        return [Month.of_day(row.day) for row in await tx.fetch_all(sql.missing_months, ahead=ahead)]


async def has_events_without_month(database: Database) -> bool:
    """Return whether the default partition has events that are not older than all months."""
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.default_has_events)
    return row is not None and row.has_events


def create_months_turn(database: Database) -> Turn:
    """Return the turn of the background task `audit.months`."""

    async def turn() -> float:
        if months := await create_months(database):
            log.info("audit.months_created", months=[str(month) for month in months])
        return LOOK_EVERY_SECONDS

    return turn
