"""Statements of `idempotency.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class EventReceipt:
    event_id: int
    is_archived: bool
    ticket_code: str | None
    batch_id: str | None
    order_id: str | None
    data: dict[str, Any]
    occurred_at: datetime
    request_digest: bytes | None


@statement
def event_of_key(*, partner_id: int, operation: str, idempotency_key: str | None) -> EventReceipt: ...
