"""Whether the replica can be reached, and follows the primary."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.reach import refusal_of
from premade.postgres.replica import CATCH_UP_SECONDS_MAX, has_caught_up


async def _examine(installation: Installation) -> Sequence[Result]:
    dsn = installation.settings.replica_url
    if dsn is None:
        return [result("none")]
    if why := refusal_of(dsn):
        return [result("refused", why=why)]
    position = await installation.database.position()
    reason = "ok" if await has_caught_up(dsn, position) else "behind"
    return [result(reason, seconds=CATCH_UP_SECONDS_MAX)]


REPLICA = Check("replica", _examine, Needs.DATABASE)
