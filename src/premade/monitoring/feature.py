"""The feature: readiness, the totals behind the figures, the statistics of the tables, and the partitions of audit events."""

from premade.audit.months import LOOK_EVERY_SECONDS, create_months_turn
from premade.http.wiring import BackgroundTask, Feature
from premade.monitoring.readiness import LOOK_AGAIN_SECONDS, Readiness
from premade.monitoring.refusals import WRITE_EVERY_SECONDS, write_refusals_turn
from premade.monitoring.rollup import ROLL_UP_EVERY_SECONDS, roll_up_turn
from premade.monitoring.routes import monitoring_routes
from premade.postgres import table_statistics
from premade.postgres.table_statistics import analyse_turn

FEATURE = Feature(
    pages=lambda _: monitoring_routes(),
    services={Readiness: lambda process: Readiness(process.database, process.runtime, process.clients)},
    background=[
        BackgroundTask(
            "readiness.look",
            lambda process: process.use(Readiness).look_turn,
            LOOK_AGAIN_SECONDS,
            needs_schema=False,
        ),
        BackgroundTask(
            "statistics.analysis",
            lambda process: analyse_turn(process.database),
            table_statistics.LOOK_EVERY_SECONDS,
        ),
        BackgroundTask(
            "audit.months", lambda process: create_months_turn(process.database), LOOK_EVERY_SECONDS
        ),
        BackgroundTask(
            "figures.roll_up",
            lambda process: roll_up_turn(process.database, process.runtime),
            ROLL_UP_EVERY_SECONDS,
        ),
        BackgroundTask(
            "refusals.write",
            lambda process: write_refusals_turn(process.database, process.runtime),
            WRITE_EVERY_SECONDS,
            runs_at_end=True,
        ),
    ],
)
