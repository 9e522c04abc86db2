"""The feature: redeeming tickets at the gate."""

from datetime import timedelta

from premade.devices.registry import GateDevices
from premade.http.wiring import Feature
from premade.redemption import routes
from premade.redemption.gate import Gate
from premade.redemption.guard_proof import GuardProofs
from premade.redemption.inspect import Inspector
from premade.redemption.manual import ManualEntries
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.sync import Syncer
from premade.tickets.signing import Signers, Verifiers

FEATURE = Feature(
    routers=[routes.router],
    services={
        GateRules: lambda process: GateRules(
            scan_age_max=timedelta(days=process.settings.offline_scan_days),
            phone_digits=process.settings.manual_entry_digits,
            list_hours_max=process.settings.gate_list_hours_max,
        ),
        Redeemer: lambda process: Redeemer(process.database, process.runtime),
        ManualEntries: lambda process: ManualEntries(
            process.database, process.runtime, process.use(GateRules)
        ),
        Inspector: lambda process: Inspector(process.database, process.runtime),
        GuardProofs: lambda process: GuardProofs(process.runtime, process.use(Signers)),
        Gate: lambda process: Gate(
            verifiers=process.use(Verifiers),
            manual_entries=process.use(ManualEntries),
            redeemer=process.use(Redeemer),
            inspector=process.use(Inspector),
            syncer=process.use(Syncer),
            guard_proofs=process.use(GuardProofs),
            devices=process.use(GateDevices),
        ),
        Syncer: lambda process: Syncer(
            process.database, process.runtime, process.use(Verifiers), process.use(GateRules)
        ),
    },
)
