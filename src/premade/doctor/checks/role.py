"""The role of the database connection, and its rights."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres import table_statistics_sql

NAMES_MAX = 5


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        role = await tx.fetch_one(sql.role)
        not_usable = await tx.fetch_all(sql.not_usable)
        unanalysed = await tx.fetch_all(table_statistics_sql.not_analysable)
    assert role is not None
    facts = {
        "superuser": "yes" if role.is_superuser else "no",
        "owner of all tables": "yes" if role.owns_tables else "no: it cannot run 'premade migrate'",
        "pg_monitor": "yes" if role.is_monitor else "no: the queries of the runbook show less",
    }
    if installation.is_embedded:
        return [result("embedded", role=role.name)]
    if role.is_superuser:
        return [result("superuser", facts, role=role.name)]
    if not_usable:
        return [result("lacks_rights", facts, role=role.name, tables=_names(not_usable))]
    if unanalysed:
        return [result("cannot_analyse", facts, role=role.name, tables=_names(unanalysed))]
    return [result("ok", facts, role=role.name)]


ROLE = Check("role", _examine, Needs.SCHEMA)
