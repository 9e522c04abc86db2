"""Statements of `release.sql`."""

from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import ReservationReleased
from premade.postgres.statements import statements_of
from premade.stock.reserve_sql import ReservationRow

statement = statements_of(__file__)


@statement
def release(
    *,
    now: datetime,
    partner_id: int,
    reservation_id: str,
    event: EventName[ReservationReleased],
    actor: str,
    request_id: str | None,
    operation: str,
    idempotency_key: str | None,
    request_digest: bytes | None,
) -> ReservationRow: ...
