"""Roll up `ticket_deltas` into totals, in the background.

The figures are exact whether or not this has run: a reader adds the rows that are not rolled up yet.
"""

from datetime import timedelta

from premade.monitoring import rollup_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import AT_ONCE, Turn
from premade.runtime.clock import Runtime

ROLL_UP_EVERY_SECONDS = 5.0
DELTAS_A_TRANSACTION_MAX = 10_000
SPANS_KEPT = timedelta(days=8)
DAYS_KEPT = timedelta(days=800)
"""Two years and some weeks, so that a season can be compared with earlier ones."""
GATE_COUNTS_KEPT = timedelta(days=400)
"""A year and some weeks."""
ROLL_UP_LOCK = 7_214_938_062
"""A PostgreSQL advisory lock: of all processes one rolls up at a time."""


async def roll_up_once(database: Database, runtime: Runtime) -> int:
    """Roll up at most DELTAS_A_TRANSACTION_MAX rows. Return their number; 0 also while another process rolls up."""
    async with database.transaction() as tx:
        if not await tx.fetch_one(sql.only_one, lock=ROLL_UP_LOCK):
            return 0
        zone = str(runtime.zone)
        partners = await tx.fetch_all(sql.partners_with_deltas) if database.by_partner else [None]
        rolled_up = 0
        for partner_id in partners:
            deltas_max = DELTAS_A_TRANSACTION_MAX - rolled_up
            rolled_up += (
                await tx.fetch_one(sql.roll_up, only_partner_id=partner_id, deltas_max=deltas_max, zone=zone)
                or 0
            )
        await tx.execute(sql.forget_old_spans, before=runtime.now() - SPANS_KEPT, age_max=SPANS_KEPT)
        await tx.execute(
            sql.forget_old_days, before=runtime.today() - DAYS_KEPT, age_max=DAYS_KEPT, zone=zone
        )
        before = runtime.today() - GATE_COUNTS_KEPT
        await tx.execute(sql.forget_old_gate_counts, before=before, age_max=GATE_COUNTS_KEPT, zone=zone)
        return rolled_up


def roll_up_turn(database: Database, runtime: Runtime) -> Turn:
    """Return the turn of the background task."""

    async def turn() -> float:
        is_more_there = await roll_up_once(database, runtime) == DELTAS_A_TRANSACTION_MAX
        return AT_ONCE if is_more_there else ROLL_UP_EVERY_SECONDS

    return turn
