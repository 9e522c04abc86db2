"""Ending the making of a batch: by its maker, by whoever cancels the batch, and by time."""

from datetime import datetime

from premade.audit.events import BatchGenerationStopped
from premade.batches import making_sql as sql
from premade.postgres.database import Transaction

DAY_IS_OVER = "Its last day of sale is over"


async def stop_making(
    tx: Transaction,
    partner_id: int,
    batch_id: str,
    now: datetime,
    *,
    actor: str,
    reason: str,
    request_id: str | None = None,
) -> int:
    """How many of the batch's tickets are not made by now; they never will be, and their stock is available again."""
    stopped = await tx.fetch_one(
        sql.stop_making,
        partner_id=partner_id,
        batch_id=batch_id,
        event=BatchGenerationStopped.event_name,
        actor=actor,
        request_id=request_id,
        reason=reason,
        now=now,
    )
    return 0 if stopped is None else stopped
