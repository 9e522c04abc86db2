"""The feature: generating tickets."""

from premade.generation import routes
from premade.generation.generate import Generator
from premade.generation.large import LOOK_EVERY_SECONDS, LargeBatches, can_generate_here
from premade.http.wiring import BackgroundTask, Feature
from premade.stock.quotas import Quotas
from premade.tickets.signing import Signers

FEATURE = Feature(
    routers=[routes.router],
    services={
        Generator: lambda process: Generator(
            process.stock_writes, process.runtime, process.use(Signers), process.use(Quotas)
        ),
        LargeBatches: lambda process: LargeBatches(process.database, process.runtime, process.use(Signers)),
    },
    background=[
        BackgroundTask(
            "making.look",
            lambda process: process.use(LargeBatches).continue_turn,
            LOOK_EVERY_SECONDS,
            runs_here=lambda settings: can_generate_here(settings.database_connections_per_worker),
        )
    ],
)
