"""Whether the database was restored, copied or promoted, and no service has recorded it."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.runtime.clock import rfc3339
from premade.tickets.incarnation import unrecorded_restore


async def _examine(installation: Installation) -> Sequence[Result]:
    sign = await unrecorded_restore(installation.database, installation.marker)
    if sign is not None:
        return [result("not_recorded", sign=sign)]
    async with installation.database.single_statement() as tx:
        begun_at = await tx.fetch_one(sql.incarnation_begun_at)
    assert begun_at is not None
    return [result("ok", begun_at=rfc3339(begun_at))]


INCARNATION = Check("incarnation", _examine, Needs.SCHEMA)
