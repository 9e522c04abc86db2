"""The role of the database connection, and its rights."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.service_role import Excess, rights_of

NAMES_MAX = 5


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        rights = await rights_of(tx)
    powers = rights.powers
    facts = {
        "superuser": "yes" if powers.is_superuser else "no",
        "owner of tables": "yes" if powers.owns_tables else "no: it cannot run 'premade migrate'",
        "pg_monitor": "yes" if powers.is_monitor else "no: the queries of the runbook show less",
    }
    if installation.is_embedded:
        return [result("embedded", role=rights.role)]
    if Excess.SUPERUSER in rights.excess:
        return [result("superuser", facts, role=rights.role)]
    if rights.lacking:
        objects = list(dict.fromkeys(right.name for right in rights.lacking))
        return [result("lacks_rights", facts, role=rights.role, objects=_names(objects))]
    if rights.excess:
        return [result("excess", facts, role=rights.role, excess=" and ".join(rights.excess))]
    return [result("ok", facts, role=rights.role)]


ROLE = Check("role", _examine, Needs.SCHEMA)
