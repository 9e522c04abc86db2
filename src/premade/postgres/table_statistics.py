"""Table statistics: analyse a table soon after it has doubled, so that PostgreSQL replaces its plans.

A connection keeps the plan of a statement until a table in it is analysed. Autovacuum looks once a minute, and a new
installation can grow from nothing to a million tickets in that time. See ADR 10.
"""

from premade.postgres import table_statistics_sql as sql
from premade.postgres.database import Database
from premade.runtime.background import AT_ONCE, Turn
from premade.runtime.logging import log

LOOK_EVERY_SECONDS = 1.0
PAGES_MIN = 32
"""The size at which a table is analysed first, in pages of 8 KiB. It has some hundred rows then, up to a thousand."""
PAGES_MAX = 2**17
"""1 GiB. A larger table takes so long to double that autovacuum is in time."""
ANALYSIS_LOCK = 7_214_938_064
"""A PostgreSQL advisory lock: of all processes one analyses at a time."""
LOCK_TIMEOUT_MS = 100


class TableAnalyst:
    """Analyses the tables of one database, one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages_tried: dict[str, int] = {}
        """Size of a table whose analysis was refused or took too long. It is tried again when it has doubled."""

    async def analyse_next(self) -> str | None:
        """Analyse the largest table that has doubled since its last analysis. Return its name, or None if there is none.

        Return None also while another process analyses. A table that somebody holds a conflicting lock on is skipped.
        """
        async with self._database.transaction() as tx:
            turn = await tx.fetch_one(sql.take_turn, lock=ANALYSIS_LOCK, lock_timeout_ms=str(LOCK_TIMEOUT_MS))
            if turn is None or not turn.mine:
                return None
            grown = await tx.fetch_all(sql.grown_tables, pages_min=PAGES_MIN, pages_max=PAGES_MAX)
            table = self._next_of(grown)
            if table is None:
                return None
            name = table.table_name
            # Try once at this size, even if the analysis is skipped or fails.
            self._pages_tried[name] = table.pages
            await tx.execute(sql.analyse, table_name=name)
            return name

    def _next_of(self, grown: list[sql.GrownTable]) -> sql.GrownTable | None:
        due = [table for table in grown if table.pages >= 2 * self._pages_tried.get(table.table_name, 0)]
        refused = [table for table in due if not table.may_analyse]
        if refused:
            names = [table.table_name for table in refused]
            log.warning("statistics.not_allowed", tables=names)
            self._pages_tried |= dict.fromkeys(names, PAGES_MAX)
        return next((table for table in due if table.may_analyse), None)


def analyse_turn(database: Database) -> Turn:
    """Return the turn of the background task: analyse one table that has grown, and at once the next if there was one."""
    analyst = TableAnalyst(database)

    async def turn() -> float:
        return LOOK_EVERY_SECONDS if await analyst.analyse_next() is None else AT_ONCE

    return turn
