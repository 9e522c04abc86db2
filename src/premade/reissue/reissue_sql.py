"""Statements of `reissue.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from premade.audit.event import EventName
from premade.audit.events import TicketReissued
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketToReissue:
    ticket_id: int
    status: str
    first_used_at: datetime | None
    valid_until: date | None
    issue_number: int
    is_over: bool
    signing_key_id: str


@dataclass(slots=True)
class ReissueEvent:
    data: dict[str, Any]
    occurred_at: datetime


@statement
def current_incarnation() -> UUID | None: ...


@statement
def ticket_to_reissue(*, today: date, zone: str, ticket_code: str, partner_id: int) -> TicketToReissue: ...


@statement
def reissue(
    *,
    issue_number: int,
    qr_code: str,
    ticket_id: int,
    partner_id: int,
    event: EventName[TicketReissued],
    actor: str,
    request_id: str | None,
    reason: str,
    signing_key_id: str,
    now: datetime,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> ReissueEvent: ...
