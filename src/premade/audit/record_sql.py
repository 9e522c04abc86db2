"""Statements of `record.sql`, and their rows."""

from datetime import datetime

from premade.audit.event import AuditEvent, EventName
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def record(
    *, partner_id: int | None, event: EventName[AuditEvent], actor: str, data: str, occurred_at: datetime
) -> None: ...
