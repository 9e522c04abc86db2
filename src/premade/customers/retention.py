"""Erase customers after the time that the operator keeps contact data, in the background.

A pass reads all orders once, in portions by id. Each portion is one transaction, and the table `customer_retention` has the
position. So a restart continues, and no index is needed that each activation would have to write.
"""

from dataclasses import dataclass
from datetime import timedelta

from premade.audit.actors import SERVICE
from premade.audit.event_fields import ErasureCause
from premade.audit.events import TicketCancellation, TicketRedeemed
from premade.customers import erase_sql
from premade.customers import retention_sql as sql
from premade.customers.erase import ERASURE_LOCK, Eraser, log_erased
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime

ORDERS_READ_MAX = 100
"""An order has up to 100 tickets, and each one's events are looked for."""
PORTION_EVERY_SECONDS = 0.1
PASS_EVERY_SECONDS = 3_600.0


@dataclass(frozen=True)
class Portion:
    """Result of one portion. `is_end`: the pass has ended, or the last one ended less than PASS_EVERY_SECONDS ago."""

    erased: int
    is_end: bool


_NOTHING = Portion(0, is_end=True)


@dataclass(frozen=True)
class Retention:
    """Erasure of customers `days` days after the last use or the last day of use of their order's tickets."""

    database: Database
    runtime: Runtime
    days: int

    async def erase_some(self) -> Portion:
        """Read the next portion of orders, and erase the customers that are due."""
        now, kept = self.runtime.now(), timedelta(days=self.days)
        # The time in an order id is never before the database's clock, so no order that is due is left out.
        before = f"ORD-{max(int((now - kept).timestamp() * 1000), 0):013d}"
        async with self.database.transaction() as tx:
            if not await tx.fetch_one(erase_sql.try_turn, lock=ERASURE_LOCK):
                return _NOTHING
            position = await tx.fetch_one(sql.position, pause=timedelta(seconds=PASS_EVERY_SECONDS))
            after = position.last_order_id if position else ""
            if position and position.is_resting and not after:
                return _NOTHING
            orders = await tx.fetch_all(
                sql.due_orders,
                zone=str(self.runtime.zone),
                redeemed=TicketRedeemed.event_name,
                cancelled=TicketCancellation.event_name,
                now=now,
                kept=kept,
                after=after,
                before=before,
                rows_read_max=ORDERS_READ_MAX,
            )
            due = await tx.fetch_all(
                erase_sql.lock_orders, order_ids=[order.order_id for order in orders if order.is_due]
            )
            await Eraser(self.database, self.runtime, SERVICE).erase(tx, due, ErasureCause.RETENTION)
            is_end = len(orders) < ORDERS_READ_MAX
            await tx.execute(sql.move, last_order_id="" if is_end else orders[-1].order_id, is_end=is_end)
        return Portion(len(log_erased(due, ErasureCause.RETENTION)), is_end)


def retention_turn(retention: Retention) -> Turn:
    """Return the turn of the background task: one portion of a pass."""

    async def turn() -> float:
        portion = await retention.erase_some()
        return PASS_EVERY_SECONDS if portion.is_end else PORTION_EVERY_SECONDS

    return turn
