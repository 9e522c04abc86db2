"""Writing to the audit record, in the transaction of the change itself."""

from datetime import datetime
from typing import Protocol

from premade.audit import record_sql as sql
from premade.audit.actors import COMMAND_ACTOR
from premade.audit.event import AuditEvent
from premade.postgres.database import Transaction


class Acting(Protocol):
    """Who changes something that belongs to a partner: the partner, by a key, or the operator's staff."""

    @property
    def partner_id(self) -> int:
        """Whose it is."""
        ...

    @property
    def actor(self) -> str:
        """As the record names who does it."""
        ...


async def record(
    tx: Transaction,
    event: AuditEvent,
    at: datetime,
    *,
    partner_id: int | None,
    actor: str = COMMAND_ACTOR,
) -> None:
    """Record an event that concerns no single ticket."""
    await tx.execute(
        sql.record,
        event=event.event_name,
        occurred_at=at,
        partner_id=partner_id,
        actor=actor,
        data=event.json(),
    )
