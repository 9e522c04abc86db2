"""The feature: tickets whose last day of sale is over expire."""

from premade.expiry.expire import EXPIRE_EVERY_SECONDS, expire_turn
from premade.http.wiring import BackgroundTask, Feature

FEATURE = Feature(
    background=[
        BackgroundTask(
            "expiry.pass",
            lambda process: expire_turn(process.database, process.runtime),
            EXPIRE_EVERY_SECONDS,
        )
    ]
)
