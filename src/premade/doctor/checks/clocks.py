"""The clocks of this machine and of the database."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.monitoring.readiness import CLOCKS_APART_MAX
from premade.monitoring.readiness_sql import check_readiness


async def _examine(installation: Installation) -> Sequence[Result]:
    now = installation.runtime.now
    async with installation.database.single_statement() as tx:
        before = now()
        state = await tx.fetch_one(check_readiness)
        after = now()
    assert state is not None
    # The database read its clock between the two, so the way there and back is no difference.
    apart = max(before - state.database_now, state.database_now - after).total_seconds()
    apart_max = CLOCKS_APART_MAX.total_seconds()
    if apart > apart_max:
        return [result("apart", apart=apart, apart_max=apart_max)]
    return [result("ok", apart=max(apart, 0))]


CLOCKS = Check("clocks", _examine, Needs.DATABASE)
