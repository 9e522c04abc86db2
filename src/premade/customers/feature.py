"""The feature: customers are erased after the time that the operator keeps their contact data."""

from premade.customers.retention import PASS_EVERY_SECONDS, Retention, retention_turn
from premade.http.wiring import BackgroundTask, Feature, Process
from premade.runtime.background import Turn


def _turn(process: Process) -> Turn:
    days = process.settings.customer_retention_days
    assert days is not None
    return retention_turn(Retention(process.database, process.runtime, days))


FEATURE = Feature(
    background=[
        BackgroundTask(
            "customers.retention",
            _turn,
            PASS_EVERY_SECONDS,
            runs_here=lambda settings: settings.customer_retention_days is not None,
        )
    ]
)
