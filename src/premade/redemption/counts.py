"""Counts at the gates, by day, device and code: scans and wrong digits that are not stored one by one.

A forged QR, an unknown ticket and an invalid entry name nothing that the operator could look up. Any gate key can send any
number of them, and nothing is ever deleted from the audit record. The number of counts is bounded.
"""

from collections import Counter
from enum import StrEnum

import orjson

from premade.partners.keyring import GateCaller
from premade.postgres.database import Transaction
from premade.redemption import counts_sql as sql
from premade.runtime.clock import Runtime
from premade.runtime.metrics import GATE_COUNTED

DEVICES_A_DAY_MAX = 20
"""Devices of one owner with their own counts in a day; all others share one count."""
OTHER_DEVICES = ""
_LOCK_SPACE = 1886547311
"""Advisory locks of the counts; another number than those of the logical clocks and of uploads."""


class GateCountKind(StrEnum):
    """Kind of a count."""

    FORGED = "QR_INVALID"
    UNKNOWN = "UNKNOWN"
    UNREADABLE = "ENTRY_INVALID"
    WRONG_DIGITS = "DIGITS_WRONG"
    REPEATED = "CONFLICT_REPEATED"
    """A conflict of a ticket that has the maximum of conflicts in the audit record."""
    LATE = "LATE"
    """An accepted scan without network, uploaded after the ticket's last day of use."""


# Create each series at once: Prometheus sees no increase in a series that begins with its first count.
for _kind in GateCountKind:
    GATE_COUNTED.labels(_kind.value)


async def count_at_gate(
    tx: Transaction, runtime: Runtime, caller: GateCaller, device_id: str, counts: Counter[GateCountKind]
) -> None:
    """Add to the counts of this device and day."""
    if not counts:
        return
    rows = [{"code": kind.value, "counted": count} for kind, count in counts.items()]
    day, zone, owner = runtime.today(), str(runtime.zone), caller.counted_as
    await tx.execute(
        sql.lock_names, day=day, zone=zone, owner=owner, device_id=device_id, lock_space=_LOCK_SPACE
    )
    await tx.execute(
        sql.count_at_gate,
        day=day,
        zone=zone,
        owner=owner,
        device_id=device_id,
        partner_id=caller.partner_id,
        others=OTHER_DEVICES,
        devices_max=DEVICES_A_DAY_MAX,
        counts=orjson.dumps(rows).decode(),
        now=runtime.now(),
    )
    for kind, count in counts.items():
        GATE_COUNTED.labels(kind.value).inc(count)
