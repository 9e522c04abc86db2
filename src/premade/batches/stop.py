"""Stopping the generation of a large batch: by its operator, by its cancellation, and after its last day of sale."""

from datetime import datetime

from premade.audit.events import BatchGenerationStopped
from premade.batches import stop_sql as sql
from premade.postgres.database import Transaction

DAY_IS_OVER = "Its last day of sale is over"


async def stop_generation(
    tx: Transaction,
    partner_id: int,
    batch_id: str,
    now: datetime,
    *,
    actor: str,
    reason: str,
    request_id: str | None = None,
) -> int:
    """Stop the generation and return the number of tickets that are missing. Their stock is available again."""
    unmade = await tx.fetch_one(
        sql.stop_generation,
        partner_id=partner_id,
        batch_id=batch_id,
        event=BatchGenerationStopped.event_name,
        actor=actor,
        request_id=request_id,
        reason=reason,
        now=now,
    )
    return unmade or 0
