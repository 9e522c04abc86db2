"""The feature: the devices of gates."""

from premade.devices.registry import GateDevices
from premade.http.wiring import Feature

FEATURE = Feature(
    services={
        GateDevices: lambda process: GateDevices(
            process.database, process.runtime, needs_approval=process.settings.gate_device_approval
        )
    }
)
