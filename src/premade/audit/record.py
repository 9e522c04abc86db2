"""Writing audit events in the transaction of the change."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from premade.audit import record_sql as sql
from premade.audit.actors import COMMAND_ACTOR
from premade.audit.event import AuditEvent, FromClient
from premade.http.client_address import current_client_address
from premade.postgres.database import Transaction


class Acting(Protocol):
    """The partner, with one of its keys, or a member of staff who acts for the partner."""

    @property
    def partner_id(self) -> int:
        """The partner's id."""
        ...

    @property
    def actor(self) -> str:
        """The actor in the audit record."""
        ...


@dataclass(frozen=True)
class ActingFor:
    """A member of staff, or a command, that acts for a partner."""

    partner_id: int
    actor: str = COMMAND_ACTOR


async def record(
    tx: Transaction,
    event: AuditEvent,
    at: datetime,
    *,
    partner_id: int | None,
    actor: str = COMMAND_ACTOR,
) -> None:
    """Write an event that is not about a single ticket. If a request causes it, it can have the client's address."""
    if isinstance(event, FromClient):
        event = replace(event, client_ip=current_client_address())
    await tx.execute(
        sql.record,
        event=event.event_name,
        occurred_at=at,
        partner_id=partner_id,
        actor=actor,
        data=event.json(),
    )
