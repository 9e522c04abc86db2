"""The feature: the sessions of the operator's staff."""

from premade.http.wiring import Feature, Process
from premade.runtime.settings import listed
from premade.staff.role import Role
from premade.staff.session import Sessions


def _sessions(process: Process) -> Sessions:
    return Sessions(
        process.database,
        process.runtime,
        frozenset(Role(role) for role in listed(process.settings.second_factor_roles)),
    )


FEATURE = Feature(services={Sessions: _sessions})
