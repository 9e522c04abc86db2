"""The feature: the API keys of partners and of the operator's gates."""

from premade.http.wiring import Feature
from premade.partners.keyring import Keyring
from premade.runtime.starts import Starts

FEATURE = Feature(
    services={
        Keyring: lambda process: Keyring(process.database, process.runtime),
        Starts: lambda process: Starts(process.runtime.monotonic_seconds),
    }
)
