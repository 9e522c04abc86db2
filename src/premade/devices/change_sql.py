"""Statements of `change.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class DeviceRow:
    gate_device_id: int
    device_id: str
    owner: str
    partner: str | None
    state: str
    registered_at: datetime
    registered_by: str
    last_used_at: datetime
    last_used_by: str


@dataclass(slots=True)
class ChangedDevice:
    partner_id: int | None
    owner: str
    device_id: str


@statement
def page_of_devices(
    *,
    before_used_at: datetime | None,
    before_gate_device_id: int | None,
    sought: str | None,
    sought_key: str,
    rows: int,
) -> DeviceRow: ...


@statement
def device_by_id(*, gate_device_id: int) -> DeviceRow: ...


@statement
def set_state(*, state: str, gate_device_id: int) -> ChangedDevice: ...
