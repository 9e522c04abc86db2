"""Whether PREMADE_STATEMENTS_BY_PARTNER is set exactly if the tables are spread."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        is_spread = await tx.fetch_one(sql.tables_are_spread)
    if installation.settings.statements_by_partner:
        return [result("by_partner" if is_spread else "needless")]
    return [result("not_set" if is_spread else "together")]


SPREAD = Check("spread", _examine, Needs.SCHEMA)
