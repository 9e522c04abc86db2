"""The feature: a new QR for a ticket."""

from premade.http.wiring import Feature
from premade.reissue import routes
from premade.reissue.reissue import Reissuer
from premade.tickets.signing import Signers

FEATURE = Feature(
    routers=[routes.router],
    services={
        Reissuer: lambda process: Reissuer(process.database, process.runtime, process.use(Signers)),
    },
)
