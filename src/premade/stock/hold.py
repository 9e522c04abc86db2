"""Held stock of allotments, and the release of stale reservations.

Reservations change only while their allotment's row is locked. So `held` of the allotment is always the sum of what its
reservations hold.
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
    """Lock the allotment until the end of the transaction.

    Raises:
        Busy: another transaction has locked it for too long.
    """
    await tx.execute(sql.wait_for_allotment, product_id=product_id, channel=channel)


async def expire_holds(database: Database, runtime: Runtime, product_id: int, channel: str) -> None:
    """Release the stock of the allotment's stale reservations."""
    now = runtime.now()
    while await _expire_some(database, now, product_id, channel) == HOLDS_A_TRANSACTION_MAX:
        pass


async def _expire_some(database: Database, now: datetime, product_id: int, channel: str) -> int:
    """End at most HOLDS_A_TRANSACTION_MAX stale reservations, and return their number."""
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
    """Return the active reservations of all partners, the first to expire first, at most HOLDS_SHOWN_MAX."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(
            sql.holds_of_product, product_id=product_id, now=runtime.now(), holds_max=HOLDS_SHOWN_MAX
        )


async def hold_to_release(database: Database, runtime: Runtime, reservation_id: str) -> sql.HoldToRelease:
    """Return an active reservation of any partner.

    Raises:
        ReservationUnknown: no active reservation has this id.
    """
    row = None
    if is_reservation_id(reservation_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(sql.hold_to_release, reservation_id=reservation_id, now=runtime.now())
    if row is None:
        raise ReservationUnknown("ended", reservation_id)
    return row
