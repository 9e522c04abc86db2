"""The feature: rate limits of API keys."""

from premade.http.wiring import BackgroundTask, Feature
from premade.limits.long_reads import RENEW_EVERY_SECONDS, LongReads, renew_turn
from premade.limits.operation_class import OperationClass
from premade.limits.rate_limits import SETTLE_EVERY_SECONDS, RateLimits, settle_turn
from premade.runtime.settings import Settings


def rate_limits_of(settings: Settings) -> dict[OperationClass, int]:
    """Return the limits by default, in requests a minute."""
    return {
        OperationClass.GENERATE: settings.rate_limit_generate,
        OperationClass.ACTIVATE: settings.rate_limit_activate,
        OperationClass.READ: settings.rate_limit_read,
        OperationClass.GATE: settings.rate_limit_gate,
    }


FEATURE = Feature(
    services={
        RateLimits: lambda process: RateLimits(
            process.database, process.runtime, rate_limits_of(process.settings)
        ),
        LongReads: lambda process: LongReads(
            process.database, process.runtime, process.settings.quota_long_reads
        ),
    },
    background=[
        BackgroundTask(
            "limits.settle",
            lambda process: settle_turn(process.use(RateLimits)),
            SETTLE_EVERY_SECONDS,
            runs_at_end=True,
        ),
        BackgroundTask(
            "limits.renew_long_reads",
            lambda process: renew_turn(process.use(LongReads)),
            RENEW_EVERY_SECONDS,
        ),
    ],
)
