"""How many of the server's connections are in use."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result

NEARLY_ALL = 0.8


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        row = await tx.fetch_one(sql.connections)
    assert row is not None
    of_a_worker = installation.settings.database_connections_per_worker
    if row.used + of_a_worker > row.limit_of_all:
        reason = "too_few"
    else:
        reason = "nearly_all" if row.used > NEARLY_ALL * row.limit_of_all else "ok"
    return [result(reason, used=row.used, limit=row.limit_of_all)]


CONNECTIONS = Check("connections", _examine, Needs.DATABASE)
