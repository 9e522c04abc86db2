"""What is held of an allotment, and giving back what has expired.

Holds change under their allotment's lock only: the row says in `held` what its reservations that have not ended
add up to, and nobody sees the two apart.
"""

from datetime import datetime

from premade.audit.actors import CLOCK
from premade.audit.events import ReservationExpired
from premade.postgres.database import Database, Transaction
from premade.postgres.statements import columns_of
from premade.runtime.clock import Runtime
from premade.runtime.logging import log
from premade.stock import hold_sql as sql
from premade.stock.reservation import ReservationUnknown, is_reservation_id

HOLDS_A_TRANSACTION_MAX = 500
HOLDS_SHOWN_MAX = 200


async def wait_for_allotment(tx: Transaction, product_id: int, channel: str) -> None:
    """Takes the lock, to the end of the transaction. Busy when it is not to be had in time."""
    await tx.execute(sql.wait_for_allotment, product_id=product_id, channel=channel)


async def expire_holds(database: Database, runtime: Runtime, product_id: int, channel: str) -> None:
    """Gives back to the allotment what its expired reservations still count as held."""
    now = runtime.now()
    while await _expire_some(database, now, product_id, channel) == HOLDS_A_TRANSACTION_MAX:
        pass


async def _expire_some(database: Database, now: datetime, product_id: int, channel: str) -> int:
    """How many reservations it ended, at most HOLDS_A_TRANSACTION_MAX."""
    async with database.transaction() as tx:
        await wait_for_allotment(tx, product_id, channel)
        expired = await tx.fetch_all(
            sql.expire,
            product_id=product_id,
            channel=channel,
            now=now,
            holds_max=HOLDS_A_TRANSACTION_MAX,
            event=ReservationExpired.event_name,
            actor=CLOCK,
        )
    for row in expired:
        log.info("ota.reservations.expired", **columns_of(row))
    return len(expired)


async def holds_of_product(database: Database, runtime: Runtime, product_id: int) -> list[sql.HoldRow]:
    """Who holds how much of it now, the first to expire first, at most HOLDS_SHOWN_MAX; for the operator alone."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(
            sql.holds_of_product, product_id=product_id, now=runtime.now(), holds_max=HOLDS_SHOWN_MAX
        )


async def hold_to_release(database: Database, runtime: Runtime, reservation_id: str) -> sql.HoldToRelease:
    """Whose the reservation is and what it holds now; for the operator alone. ReservationUnknown when it holds nothing."""
    row = None
    if is_reservation_id(reservation_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.hold_to_release, reservation_id=reservation_id, now=runtime.now())
    if row is None:
        raise ReservationUnknown("ended", reservation_id)
    return row
