"""Adding up the differences that every change of tickets appends, in the background.

The figures are exact whether or not this has run: a reader adds what is not folded yet.
"""

from datetime import timedelta

from premade.monitoring import rollup_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import AT_ONCE, Turn
from premade.runtime.clock import Runtime

FOLD_EVERY_SECONDS = 5.0
DELTAS_A_TRANSACTION_MAX = 10_000
SPANS_KEPT = timedelta(days=8)
DAYS_KEPT = timedelta(days=800)
"""Two years and some weeks: a season can be laid beside the ones before."""
GATE_COUNTS_KEPT = timedelta(days=400)
"""What was wrong at gates, by day and device: a year and some weeks."""
FOLD_LOCK = 7_214_938_062
"""A PostgreSQL advisory lock: of all processes one folds at a time."""


async def fold_once(database: Database, runtime: Runtime) -> int:
    """Folds what is there, up to DELTAS_A_TRANSACTION_MAX; answers how many rows it took."""
    async with database.transaction() as tx:
        if not await tx.fetch_one(sql.only_one, lock=FOLD_LOCK):
            return 0
        folded = await tx.fetch_one(sql.fold, deltas_max=DELTAS_A_TRANSACTION_MAX, zone=str(runtime.zone))
        await tx.execute(sql.forget_old_spans, before=runtime.now() - SPANS_KEPT, kept=SPANS_KEPT)
        await tx.execute(sql.forget_old_days, before=runtime.today() - DAYS_KEPT, kept=DAYS_KEPT)
        before = runtime.today() - GATE_COUNTS_KEPT
        await tx.execute(sql.forget_old_gate_counts, before=before, kept=GATE_COUNTS_KEPT)
        return folded or 0


def fold_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task."""

    async def turn() -> float:
        is_more_there = await fold_once(database, runtime) == DELTAS_A_TRANSACTION_MAX
        return AT_ONCE if is_more_there else FOLD_EVERY_SECONDS

    return turn
