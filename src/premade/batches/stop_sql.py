"""Statements of `stop.sql`, and their rows."""

from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import BatchGenerationStopped
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def stop_generation(
    *,
    partner_id: int,
    batch_id: str,
    event: EventName[BatchGenerationStopped],
    actor: str,
    request_id: str | None,
    reason: str,
    now: datetime,
) -> int: ...
