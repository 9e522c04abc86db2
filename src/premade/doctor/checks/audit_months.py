"""Whether the audit events of the current month and the next have partitions, and whether the default partition is empty."""

from collections.abc import Sequence

from premade.audit.months import has_events_without_month, missing_months
from premade.doctor.check import Check, Installation, Needs, Result, result

MONTHS_MIN = 1
"""Months ahead that must have a partition. The service creates them earlier."""


async def _examine(installation: Installation) -> Sequence[Result]:
    if missing := await missing_months(installation.database, MONTHS_MIN):
        return [result("missing", months=", ".join(map(str, missing)))]
    return [result("stray" if await has_events_without_month(installation.database) else "ok")]


AUDIT_MONTHS = Check("audit_months", _examine, Needs.SCHEMA)
