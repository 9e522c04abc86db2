"""The devices of gates: each is registered by its first request. A revoked device is refused."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from premade.devices import registry_sql as sql
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Forbidden
from premade.runtime.single_flight import SingleFlightCache
from premade.runtime.slots import current_owner

CACHE_SECONDS = 2.0
"""A revoked device works at most this long in a process that knew it."""
_CACHE_ENTRIES_MAX = 10_000
LAST_USED_EVERY = timedelta(minutes=5)
"""The time of the last use is at most this old."""
DEVICES_MAX = 1_000
"""Devices that one key or member of staff has registered. Beyond it, the one that was used longest ago is forgotten."""


class DeviceState(StrEnum):
    """State of a device."""

    APPROVED = "APPROVED"
    UNAPPROVED = "UNAPPROVED"
    REVOKED = "REVOKED"


@dataclass(eq=False)
class DeviceRevoked(Forbidden):
    """The operator has revoked the device."""

    code = "DEVICE_REVOKED"
    published = ("device_id",)

    device_id: str


@dataclass(eq=False)
class DeviceUnapproved(Forbidden):
    """The operator approves each device before it is used, and has not approved this one."""

    code = "DEVICE_UNAPPROVED"
    published = ("device_id",)

    reason: Literal["unapproved", "unnamed"]
    """`unnamed`: the request names no device."""
    device_id: str | None


DEVICE_REFUSALS = (DeviceRevoked, DeviceUnapproved)


@dataclass(frozen=True)
class _Registration:
    """A device, with the actor of the request."""

    owner: str
    device_id: str
    partner_id: int | None
    actor: str
    turns_of: Hashable
    """Whose turns for connections a read of this device takes. A client can name many devices."""


class GateDevices:
    """The registered devices. Each is read from the database at most once in CACHE_SECONDS."""

    def __init__(self, database: Database, runtime: Runtime, *, needs_approval: bool) -> None:
        """`needs_approval`: a new device is refused until the operator approves it."""
        self._database = database
        self._runtime = runtime
        self._needs_approval = needs_approval
        self._states = SingleFlightCache[_Registration, DeviceState](
            self._fetch,
            runtime.monotonic_seconds,
            entries_max=_CACHE_ENTRIES_MAX,
            # A revoked device must not work longer because the database is slow.
            join_seconds_max=CACHE_SECONDS,
        )

    async def require(self, caller: GateCaller, device_id: str | None) -> None:
        """Register the device if it is new. `device_id`: None if the request names no device.

        Raises:
            DeviceRevoked: the operator has revoked the device.
            DeviceUnapproved: the operator has not approved the device yet.
        """
        if device_id is None:
            if self._needs_approval:
                raise DeviceUnapproved("unnamed", None)
            return
        device = _Registration(caller.owner, device_id, caller.partner_id, caller.actor, current_owner.get())
        state = await self._states.get(device, CACHE_SECONDS)
        if state is DeviceState.REVOKED:
            raise DeviceRevoked(device_id)
        if state is DeviceState.UNAPPROVED and self._needs_approval:
            raise DeviceUnapproved("unapproved", device_id)

    async def _fetch(self, device: _Registration) -> DeviceState:
        current_owner.set(device.turns_of)
        now = self._runtime.now()
        async with self._database.single_statement() as tx:
            known = await tx.fetch_one(
                sql.find_device,
                owner=device.owner,
                device_id=device.device_id,
                partner_id=device.partner_id,
            )
        if known is not None and now - known.last_used_at < LAST_USED_EVERY:
            return DeviceState(known.state)
        async with self._database.single_statement() as tx:
            state = await tx.fetch_one(
                sql.register_device,
                owner=device.owner,
                device_id=device.device_id,
                partner_id=device.partner_id,
                actor=device.actor,
                state=DeviceState.UNAPPROVED if self._needs_approval else DeviceState.APPROVED,
                others_max=DEVICES_MAX - 1,
                now=now,
            )
        assert state is not None
        return DeviceState(state)
