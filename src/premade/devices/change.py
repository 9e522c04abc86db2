"""The operator's list of gate devices, and their approval and revocation."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import GateDeviceApproved, GateDeviceRevoked
from premade.audit.record import record
from premade.devices import change_sql as sql
from premade.devices.registry import DeviceState
from premade.postgres.database import Database
from premade.postgres.keyset import Keyset
from premade.runtime.clock import Runtime
from premade.runtime.errors import NotFound
from premade.values.texts import folded


class _DeviceKey(NamedTuple):
    last_used_at: datetime
    gate_device_id: int


ALL_DEVICES = Keyset("all gate devices", _DeviceKey)
DEVICES_A_READ = 1_000
_EVENTS = {DeviceState.APPROVED: GateDeviceApproved, DeviceState.REVOKED: GateDeviceRevoked}


@dataclass(eq=False)
class DeviceUnknown(NotFound):
    """No gate device has this number."""

    code = "DEVICE_UNKNOWN"

    gate_device_id: int


async def page_of_devices(
    database: Database, sought: str, limit: int, cursor: str | None
) -> tuple[list[sql.DeviceRow], str | None]:
    """Return a page of the devices whose id or partner contains `sought`, last used first, and the next page's cursor.

    Raises:
        Invalid: the cursor is malformed, or of another list.
    """
    used_at, gate_device_id = ALL_DEVICES.after(cursor) or (None, None)
    async with database.single_statement() as tx:
        rows = await tx.fetch_all(
            sql.page_of_devices,
            before_used_at=used_at,
            before_gate_device_id=gate_device_id,
            sought=sought.replace("\0", "") or None,
            sought_key=folded(sought),
            rows=limit + 1,
        )
    return ALL_DEVICES.page(rows, limit)


async def list_devices(database: Database) -> list[sql.DeviceRow]:
    """Return all devices, last used first."""
    devices: list[sql.DeviceRow] = []
    cursor = None
    while True:
        page, cursor = await page_of_devices(database, "", DEVICES_A_READ, cursor)
        devices += page
        if cursor is None:
            return devices


async def device_of(database: Database, gate_device_id: int) -> sql.DeviceRow:
    """Return the device.

    Raises:
        DeviceUnknown: no device has this number.
    """
    async with database.single_statement() as tx:
        row = await tx.fetch_one(sql.device_by_id, gate_device_id=gate_device_id)
    if row is None:
        raise DeviceUnknown(gate_device_id)
    return row


async def set_state(
    database: Database,
    runtime: Runtime,
    gate_device_id: int,
    state: DeviceState,
    *,
    actor: str = COMMAND_ACTOR,
) -> sql.DeviceRow:
    """Approve or revoke a device: every process knows it within seconds. Idempotent. Return the device.

    Raises:
        DeviceUnknown: no device has this number.
    """
    async with database.transaction() as tx:
        changed = await tx.fetch_one(sql.set_state, gate_device_id=gate_device_id, state=state)
        if changed is not None:
            event = _EVENTS[state](
                gate_device_id=gate_device_id, owner=changed.owner, device_id=changed.device_id
            )
            await record(tx, event, runtime.now(), partner_id=changed.partner_id, actor=actor)
    return await device_of(database, gate_device_id)
