"""The feature: the sessions of the operator's staff."""

from premade.http.wiring import Feature
from premade.staff.session import Sessions

FEATURE = Feature(services={Sessions: lambda process: Sessions(process.database, process.runtime)})
