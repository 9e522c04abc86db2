"""Counts of refusals by day, written in the background of each process.

A refusal itself writes nothing. A killed process loses the counts of its last seconds.
"""

from collections import Counter
from datetime import date

import orjson

from premade.monitoring import refusals_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime
from premade.runtime.refusal_counter import Refused, put_back, take_refusals

WRITE_EVERY_SECONDS = 2.0
"""A refusal just before midnight may count for the next day."""


async def write_refusals(database: Database, runtime: Runtime) -> None:
    """Write the counts of this process. They stay in memory if the database cannot be written."""
    taken = take_refusals()
    try:
        await add_refusals(database, runtime.today(), taken)
    except BaseException:
        put_back(taken)
        raise


async def add_refusals(database: Database, day: date, refusals: Counter[Refused]) -> None:
    """Add counts to a day."""
    if not refusals:
        return
    rows = [
        {"partner_id": partner_id, "code": code, "refused": refused}
        for (partner_id, code), refused in refusals.items()
    ]
    async with database.single_statement() as tx:
        await tx.execute(sql.add_refusals, day=day, refusals=orjson.dumps(rows).decode())


def write_refusals_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task."""

    async def turn() -> float:
        await write_refusals(database, runtime)
        return WRITE_EVERY_SECONDS

    return turn
