"""What happens at gates too often to be kept one by one: counted by day, device and code, in a bounded number of rows.

A forged QR code, a ticket that nobody has and an entry that cannot be read name nothing that the operator could look up.
Anybody with a gate key can send them without end, and nothing is ever deleted from the audit record.
"""

from collections import Counter
from enum import StrEnum

import orjson

from premade.base import statements
from premade.base.metrics import GATE_COUNTED
from premade.base.work import Work
from premade.base.world import World
from premade.partners.keyring import GateCaller

sql = statements.load(__file__)

DEVICES_A_DAY_MAX = 20
"""Devices of one owner that are counted by their names in a day; all others together."""
OTHER_DEVICES = ""


class Counted(StrEnum):
    """What is counted."""

    FORGED = "QR_INVALID"
    UNKNOWN = "UNKNOWN"
    UNREADABLE = "ENTRY_INVALID"
    WRONG_DIGITS = "DIGITS_WRONG"
    LATE = "LATE"
    """Accepted: a scan of a ticket that was good on the day it says, reported after the ticket's last day."""


# Each series is there before it counts: Prometheus sees no increase in one that begins with its first count.
for _code in Counted:
    GATE_COUNTED.labels(_code.value)


async def count_at_gate(
    work: Work, world: World, caller: GateCaller, device_id: str, counts: Counter[Counted]
) -> None:
    """Add the counts to those of this device and day."""
    if not counts:
        return
    rows = [{"code": code.value, "counted": counted} for code, counted in counts.items()]
    await work.all(
        sql.count_at_gate,
        day=world.today(),
        owner=caller.counted_as,
        device_id=device_id,
        partner_id=caller.partner_id,
        others=OTHER_DEVICES,
        devices_max=DEVICES_A_DAY_MAX,
        counts=orjson.dumps(rows).decode(),
        now=world.now(),
    )
    for code, counted in counts.items():
        GATE_COUNTED.labels(code.value).inc(counted)
