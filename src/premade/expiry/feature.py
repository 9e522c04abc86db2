"""The feature: expiry of tickets after their last day of sale."""

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
