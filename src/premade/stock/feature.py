"""The feature: allotments and reservations."""

from premade.http.wiring import Feature
from premade.stock import reservation_routes, routes
from premade.stock.quotas import Quotas
from premade.stock.reservations import Reservations

FEATURE = Feature(
    routers=[routes.router, reservation_routes.router],
    services={
        Quotas: lambda process: Quotas.of(process.settings),
        Reservations: lambda process: Reservations(
            process.database.for_blocking_writes(single_too=True),
            process.runtime,
            process.use(Quotas),
        ),
    },
)
