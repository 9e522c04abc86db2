"""The feature: tickets, and the keys that sign and verify their QR tokens."""

from premade.http.wiring import BackgroundTask, Feature
from premade.tickets import routes
from premade.tickets.incarnation import LOOK_EVERY_SECONDS, confirm_incarnation_turn
from premade.tickets.signing import Signers, Verifiers

FEATURE = Feature(
    routers=[routes.router],
    services={
        Signers: lambda process: Signers(process.database, process.runtime),
        Verifiers: lambda process: Verifiers(process.database, process.runtime),
    },
    background=[
        BackgroundTask(
            "incarnation.look",
            lambda process: confirm_incarnation_turn(process.database, process.runtime),
            LOOK_EVERY_SECONDS,
        )
    ],
)
