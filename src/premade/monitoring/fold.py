"""Adding up the differences that every change of tickets appends, in the background.

The figures are exact whether or not this has run: a reader adds what is not folded yet.
"""

from datetime import timedelta

from premade.base import statements
from premade.base.background import repeat
from premade.base.work import Database
from premade.base.world import World

sql = statements.load(__file__)

FOLD_EVERY_SECONDS = 5.0
DELTAS_A_TRANSACTION_MAX = 10_000
SPANS_KEPT = timedelta(days=8)
DAYS_KEPT = timedelta(days=800)
"""Two years and some weeks: a season can be laid beside the ones before."""
GATE_COUNTS_KEPT = timedelta(days=400)
"""What was wrong at gates, by day and device: a year and some weeks."""
FOLD_LOCK = 7_214_938_062
"""A PostgreSQL advisory lock: of all processes one folds at a time."""


async def fold_once(database: Database, world: World) -> int:
    """Folds what is there, up to DELTAS_A_TRANSACTION_MAX; answers how many rows it took."""
    async with database.transaction() as work:
        turn = await work.one(sql.only_one, lock=FOLD_LOCK)
        if turn is None or not turn["mine"]:
            return 0
        row = await work.one(sql.fold, deltas_max=DELTAS_A_TRANSACTION_MAX, zone=str(world.zone))
        await work.all(sql.forget_old_spans, before=world.now() - SPANS_KEPT, kept=SPANS_KEPT)
        await work.all(sql.forget_old_days, before=world.today() - DAYS_KEPT, kept=DAYS_KEPT)
        before = world.today() - GATE_COUNTS_KEPT
        await work.all(sql.forget_old_gate_counts, before=before, kept=GATE_COUNTS_KEPT)
        return row["folded"] if row else 0


async def fold_for_ever(database: Database, world: World) -> None:
    """Until it is cancelled. A database that is away is tried again."""

    async def turn() -> bool:
        return await fold_once(database, world) == DELTAS_A_TRANSACTION_MAX

    await repeat("figures.fold", turn, FOLD_EVERY_SECONDS)
