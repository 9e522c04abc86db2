"""The feature: snapshots and keys for gates without network."""

from premade.http.wiring import Feature
from premade.offline import routes
from premade.offline.snapshot import Snapshots

FEATURE = Feature(
    routers=[routes.router],
    pages=lambda _: routes.public_routes(),
    services={Snapshots: lambda process: Snapshots(process.database, process.runtime)},
)
