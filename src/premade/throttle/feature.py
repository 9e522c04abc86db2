"""The feature: the ended windows of counted attempts are deleted."""

from premade.http.wiring import BackgroundTask, Feature
from premade.throttle.attempts import SWEEP_EVERY_SECONDS, sweep_turn

FEATURE = Feature(
    background=[
        BackgroundTask(
            "attempts.sweep",
            lambda process: sweep_turn(process.database, process.runtime),
            SWEEP_EVERY_SECONDS,
        )
    ]
)
