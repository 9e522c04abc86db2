"""Erase customers: replace the contact data of their orders. Orders, amounts and the audit record stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from premade.activation.customer_in_text import names_customer
from premade.audit.actors import COMMAND_ACTOR
from premade.audit.event_fields import ErasureCause
from premade.audit.events import TicketCustomerErased
from premade.customers import erase_sql as sql
from premade.customers.address import readings_of_email
from premade.http.client_address import current_client_address
from premade.orders import erased_customer
from premade.postgres.database import Database, Transaction
from premade.runtime.clock import Runtime
from premade.runtime.logging import log

ORDERS_AT_ONCE_MAX = 500
ORDERS_READ_MAX = 10_000
ERASURE_LOCK = 7_214_938_071
"""A PostgreSQL advisory lock. One transaction at a time erases customers."""


@dataclass(frozen=True)
class Eraser:
    """Erasure of customers. `actor`: the actor of its audit events."""

    database: Database
    runtime: Runtime
    actor: str = COMMAND_ACTOR
    request_id: str | None = None

    async def erase_email(self, text: str) -> list[str]:
        """Erase the customer of all orders with this e-mail address. Return the ids of the orders.

        An activation that is in progress is found, because this repeats until no order has the address.
        """
        erased: list[str] = []
        emails = list(readings_of_email(text))
        while order_ids := await self._erase_some(emails):
            erased += order_ids
        return erased

    async def erase_orders(self, order_ids: Sequence[str]) -> list[str]:
        """Erase the customers of these orders again, after a restore. Return the ids of those that were not erased."""
        erased: list[str] = []
        for start in range(0, len(order_ids), ORDERS_AT_ONCE_MAX):
            portion = list(order_ids[start : start + ORDERS_AT_ONCE_MAX])
            async with self.database.transaction() as tx:
                await tx.fetch_one(sql.wait_for_turn, lock=ERASURE_LOCK)
                orders = await tx.fetch_all(sql.lock_orders, order_ids=portion)
                await self.erase(tx, orders, ErasureCause.REQUEST)
            erased += log_erased(orders, ErasureCause.REQUEST)
        return erased

    async def _erase_some(self, emails: list[str]) -> list[str]:
        async with self.database.transaction() as tx:
            await tx.fetch_one(sql.wait_for_turn, lock=ERASURE_LOCK)
            orders = await tx.fetch_all(sql.lock_orders_of_email, emails=emails, rows=ORDERS_AT_ONCE_MAX)
            await self.erase(tx, orders, ErasureCause.REQUEST)
        return log_erased(orders, ErasureCause.REQUEST)

    async def erase(self, tx: Transaction, orders: list[sql.OrderToErase], cause: ErasureCause) -> None:
        """Erase the customers of orders that this transaction has locked."""
        if not orders:
            return
        await tx.execute(
            sql.erase,
            partner_ids=[order.partner_id for order in orders],
            order_ids=[order.order_id for order in orders],
            payment_references=[_reference_to_keep(order) for order in orders],
            idempotency_keys=[_key_to_keep(order) for order in orders],
            name=erased_customer.NAME,
            email=erased_customer.EMAIL,
            phone=erased_customer.PHONE,
            event=TicketCustomerErased.event_name,
            cause=cause,
            actor=self.actor,
            request_id=self.request_id,
            client_ip=current_client_address(),
            now=self.runtime.now(),
        )


async def erased_orders(database: Database, since: datetime) -> list[sql.ErasedOrder]:
    """Return the orders whose customer was erased since this time, by id. Reads all orders, in portions."""
    erased: list[sql.ErasedOrder] = []
    after, is_end = "", False
    while not is_end:
        async with database.single_statement() as tx:
            rows = await tx.fetch_all(
                sql.erased_orders, after=after, since=since, rows_read_max=ORDERS_READ_MAX
            )
        erased += [row for row in rows if row.customer_erased_at and row.customer_erased_at >= since]
        is_end = not rows or rows[-1].place < ORDERS_READ_MAX
        after = rows[-1].order_id if rows else after
    return erased


def log_erased(orders: list[sql.OrderToErase], cause: ErasureCause) -> list[str]:
    """Log the ids of the orders, so that the erasure can be repeated after a restore. Return them."""
    order_ids = [order.order_id for order in orders]
    if order_ids:
        log.info("ota.customers.erased", cause=str(cause), orders=order_ids)
    return order_ids


def _reference_to_keep(order: sql.OrderToErase) -> str:
    is_private = _names_customer(order, order.payment_reference)
    return erased_customer.PAYMENT_REFERENCE if is_private else order.payment_reference


def _key_to_keep(order: sql.OrderToErase) -> str:
    """Return the Idempotency-Key or its digest; "" if there is none."""
    key = order.idempotency_key or ""
    return erased_customer.erased_key(key) if key and _names_customer(order, key) else key


def _names_customer(order: sql.OrderToErase, text: str) -> bool:
    return names_customer(
        text, name=order.customer_name, email=order.customer_email, phone=order.customer_phone
    )
