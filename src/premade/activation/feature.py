"""The feature: activating tickets, one by one or several as one order."""

from premade.activation import order_routes, routes
from premade.activation.activate import Activator
from premade.activation.order import OrderMaker
from premade.http.wiring import Feature
from premade.tickets.signing import Signers

FEATURE = Feature(
    routers=[routes.router, order_routes.router],
    services={
        Activator: lambda process: Activator(process.database, process.runtime),
        OrderMaker: lambda process: OrderMaker(process.database, process.runtime, process.use(Signers)),
    },
)
