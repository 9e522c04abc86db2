"""The feature: the sessions of the operator's staff."""

from premade.http.wiring import Feature, Process
from premade.runtime.settings import listed
from premade.staff.provider_settings import provider_settings
from premade.staff.provider_sign_in import ProviderSignIns
from premade.staff.role import Role
from premade.staff.session import Sessions


def _sessions(process: Process) -> Sessions:
    return Sessions(
        process.database,
        process.runtime,
        frozenset(Role(role) for role in listed(process.settings.second_factor_roles)),
    )


def _provider_sign_ins(process: Process) -> ProviderSignIns:
    return ProviderSignIns(process.use(Sessions), provider_settings(process.settings))


FEATURE = Feature(services={Sessions: _sessions, ProviderSignIns: _provider_sign_ins})
