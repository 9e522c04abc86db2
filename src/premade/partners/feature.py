"""The feature: the API keys of partners and of the operator's gates."""

from premade.http.wiring import Feature
from premade.partners.keyring import Keyring

FEATURE = Feature(services={Keyring: lambda process: Keyring(process.database, process.runtime)})
