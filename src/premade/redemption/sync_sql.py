"""Statements of `sync.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from premade.audit.event import EventName
from premade.audit.events import RedemptionConflict
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class DeviceLock:
    held: object
    database_now: datetime


@dataclass(slots=True)
class EarlierConflict:
    position: int
    ticket_code: str | None
    data: dict[str, Any]


@dataclass(slots=True)
class ConflictCount:
    ticket_code: str
    conflicts: int


@statement
def lock_device(*, lock_space: int, device: str) -> DeviceLock: ...


@statement
def lock_tickets(*, ticket_codes: list[str], partner_id: int | None) -> int: ...


@statement
def earlier_conflicts(*, partner_id: int | None, scans: str, operation: str) -> EarlierConflict: ...


@statement
def count_conflicts(
    *, ticket_codes: list[str], partner_ids: list[int], event: str, conflicts_max: int
) -> ConflictCount: ...


@statement
def record_conflicts(
    *, event: EventName[RedemptionConflict], operation: str, now: datetime, conflicts: str
) -> None: ...
