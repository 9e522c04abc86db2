"""The version of PostgreSQL and its age."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.doctor.postgres_releases import SUPPORTED, released_on
from premade.postgres.embedded import WHEEL

OLD_DAYS = 120
"""PostgreSQL publishes minor releases every three months. A month more is time to install one."""


def judged(version_number: int, today_ordinal: int, *, is_embedded: bool) -> Result:
    """Return the result for a server of this version. `today_ordinal`: the day, as `date.toordinal` numbers it."""
    major, minor = divmod(version_number, 10_000)
    version = f"{major}.{minor}"
    if not SUPPORTED[0] <= major <= SUPPORTED[1]:
        return result("unsupported", version=version, first=SUPPORTED[0], last=SUPPORTED[1])
    released = released_on(major, minor)
    if released is None:
        return result("newer", version=version)
    days = today_ordinal - released.toordinal()
    if days <= OLD_DAYS:
        return result("ok", version=version, released=released, days=days)
    if is_embedded:
        return result("old_embedded", version=version, released=released, days=days, package=WHEEL)
    return result("old", version=version, released=released, days=days, major=major)


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        server = await tx.fetch_one(sql.server_settings)
    assert server is not None
    today = installation.runtime.today().toordinal()
    return [judged(server.version_number, today, is_embedded=installation.is_embedded)]


POSTGRESQL = Check("postgresql", _examine, Needs.DATABASE)
