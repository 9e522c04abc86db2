"""The feature: the pages of the operator's staff."""

from premade.console.gate_pass import GatePasses
from premade.console.routes import console_routes
from premade.http.wiring import Feature
from premade.tickets.signing import Signers

FEATURE = Feature(
    pages=lambda app: console_routes(app.state.runtime.zone),
    services={GatePasses: lambda process: GatePasses(process.runtime, process.use(Signers))},
)
