"""The operator's time zone, and how PostgreSQL reads it."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.zones import ZonesDiffer, require_same_zone


async def _examine(installation: Installation) -> Sequence[Result]:
    zone = installation.runtime.zone
    try:
        require_same_zone(installation.dsn, zone)
    except ZonesDiffer as error:
        return [result("differs", zone=zone, why=error)]
    async with installation.database.single_statement() as tx:
        servers = await tx.fetch_one(sql.default_zone)
    return [result("ok", zone=zone, servers=servers)]


ZONE = Check("zone", _examine, Needs.DATABASE)
