"""Whether the schema is that of this version."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.migrations import SchemaNotCurrent, applied_names, check_current, migrations


async def _examine(installation: Installation) -> Sequence[Result]:
    applied = applied_names(installation.dsn)
    if not applied:
        return [result("empty")]
    try:
        check_current(installation.dsn)
    except SchemaNotCurrent as error:
        return [result("not_current", why=error)]
    installation.has_schema = True
    known = [migration.name for migration in migrations()]
    if newer := [name for name in applied if name not in known]:
        return [result("newer", migrations=", ".join(newer))]
    return [result("ok", count=len(known), last=known[-1])]


SCHEMA = Check("schema", _examine, Needs.DATABASE)
