"""Which database it is, and whether it can be reached and written to."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.monitoring.readiness_sql import check_readiness


async def _examine(installation: Installation) -> Sequence[Result]:
    assert installation.database_state is not None
    if installation.database_if_reached is not None:
        async with installation.database.single_statement() as tx:
            state = await tx.fetch_one(check_readiness)
        if state is not None and state.takes_no_writes:
            return [result("takes_no_writes", place=installation.settings.database_place)]
    return [installation.database_state]


DATABASE = Check("database", _examine, Needs.SETTINGS)
