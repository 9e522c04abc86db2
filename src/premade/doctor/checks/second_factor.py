"""Whether members whose role needs a second factor can sign in: codes need the master key."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.runtime.master_keys import MasterKeyMissing
from premade.runtime.settings import listed


async def _examine(installation: Installation) -> Sequence[Result]:
    roles = listed(installation.settings.second_factor_roles)
    if not roles:
        return [result("optional")]
    try:
        installation.runtime.master_keys()
    except MasterKeyMissing as missing:
        return [result("no_master_key", roles=", ".join(roles), why=missing)]
    return [result("ok", roles=", ".join(roles))]


SECOND_FACTOR = Check("second_factor", _examine, Needs.SETTINGS)
