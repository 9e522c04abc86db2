"""The feature: cancelling tickets, orders, and what is unused of a batch."""

from premade.cancellation import routes
from premade.cancellation.cancel import Canceller
from premade.cancellation.cancel_batch import BatchCanceller
from premade.cancellation.cancel_order import OrderCanceller
from premade.http.wiring import Feature

FEATURE = Feature(
    routers=[routes.router],
    services={
        Canceller: lambda process: Canceller(process.stock_writes, process.runtime),
        OrderCanceller: lambda process: OrderCanceller(process.stock_writes, process.runtime),
        BatchCanceller: lambda process: BatchCanceller(process.stock_writes, process.runtime),
    },
)
