"""The feature: the tickets of a batch as a file."""

from premade.export import routes
from premade.export.text import Exports
from premade.http.wiring import Feature

FEATURE = Feature(
    routers=[routes.router],
    services={Exports: lambda process: Exports(process.database, process.runtime)},
)
