"""Find and export the orders of a customer, by e-mail address."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from premade.audit.actors import COMMAND_ACTOR
from premade.audit.events import TicketCustomerExported, TicketRedeemed
from premade.audit.views import record_customer_views
from premade.customers import customer_sql as sql
from premade.customers.address import readings_of_email
from premade.http.client_address import current_client_address
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.texts.fields import field_text

ORDERS_MAX = 1_000
"""Orders that are shown or exported at once. An agency may use its own address for all its customers."""
ORDERS_A_TRANSACTION_MAX = 50
"""Orders that are exported in one transaction, each with up to 100 tickets."""
CLOCKS_APART_MAX = timedelta(days=1)
"""A use cannot be recorded longer before the sale than the clocks of a device and the service differ."""


def checked_email(text: str) -> str:
    """Return the address as it is compared.

    Raises:
        ValueError: the text is no e-mail address.
    """
    email = next(readings_of_email(text), None)
    if email is None:
        raise ValueError(field_text("customer.email_missing"))
    return email


@dataclass(frozen=True)
class ExportedTicket:
    """A ticket of a customer, with its uses."""

    ticket: sql.TicketOfCustomer
    uses: list[sql.UseOfTicket]


@dataclass(frozen=True)
class ExportedOrder:
    """An order of a customer, with its tickets."""

    order: sql.OrderOfCustomer
    tickets: list[ExportedTicket]


@dataclass(frozen=True)
class CustomerExport:
    """What the database has about a customer. `is_complete`: false if more than ORDERS_MAX orders have the address."""

    email: str
    exported_at: datetime
    is_complete: bool
    orders: list[ExportedOrder]


@dataclass(frozen=True)
class Customers:
    """Orders of customers. Each reading is recorded before its result is returned. `actor`: of the audit events."""

    database: Database
    runtime: Runtime
    actor: str = COMMAND_ACTOR
    request_id: str = ""

    async def find(self, email: str) -> tuple[list[sql.OrderOfCustomer], bool]:
        """Return at most ORDERS_MAX orders with this e-mail address, the oldest first, and whether there are more."""
        orders, is_cut = await self._orders(email)
        await record_customer_views(
            self.database,
            self.runtime,
            order_ids=[order.order_id for order in orders],
            actor=self.actor,
            request_id=self.request_id,
        )
        return orders, is_cut

    async def export(self, email: str) -> CustomerExport:
        """Return the same orders with their tickets and the uses of these."""
        orders, is_cut = await self._orders(email)
        exported: list[ExportedOrder] = []
        for start in range(0, len(orders), ORDERS_A_TRANSACTION_MAX):
            exported += await self._export(orders[start : start + ORDERS_A_TRANSACTION_MAX])
        return CustomerExport(email, self.runtime.now(), is_complete=not is_cut, orders=exported)

    async def _export(self, orders: list[sql.OrderOfCustomer]) -> list[ExportedOrder]:
        partner_ids = list({order.partner_id for order in orders})
        codes = [code for order in orders for code in order.ticket_codes]
        async with self.database.transaction() as tx:
            tickets = await tx.fetch_all(sql.tickets_of_orders, ticket_codes=codes, partner_ids=partner_ids)
            uses = await tx.fetch_all(
                sql.uses_of_tickets,
                ticket_codes=codes,
                partner_ids=partner_ids,
                event=TicketRedeemed.event_name,
                since=min(order.created_at for order in orders) - CLOCKS_APART_MAX,
            )
            await tx.execute(
                sql.record_exports,
                partner_ids=partner_ids,
                order_ids=[order.order_id for order in orders],
                event=TicketCustomerExported.event_name,
                actor=self.actor,
                request_id=self.request_id or None,
                client_ip=current_client_address(),
                now=self.runtime.now(),
            )
        return _with_tickets(orders, tickets, uses)

    async def count(self, email: str) -> sql.OrderCount:
        """Return the number of orders with this e-mail address. This reads no contact data."""
        async with self.database.single_read() as tx:
            count = await tx.fetch_one(sql.count_orders_of_email, emails=list(readings_of_email(email)))
        assert count is not None
        return count

    async def _orders(self, email: str) -> tuple[list[sql.OrderOfCustomer], bool]:
        async with self.database.single_read() as tx:
            orders = await tx.fetch_all(
                sql.orders_of_email, emails=list(readings_of_email(email)), rows=ORDERS_MAX + 1
            )
        return orders[:ORDERS_MAX], len(orders) > ORDERS_MAX


def _with_tickets(
    orders: list[sql.OrderOfCustomer], tickets: list[sql.TicketOfCustomer], uses: list[sql.UseOfTicket]
) -> list[ExportedOrder]:
    uses_of: defaultdict[str | None, list[sql.UseOfTicket]] = defaultdict(list)
    for use in uses:
        uses_of[use.ticket_code].append(use)
    tickets_of: defaultdict[str | None, list[ExportedTicket]] = defaultdict(list)
    for ticket in tickets:
        tickets_of[ticket.order_id].append(ExportedTicket(ticket, uses_of[ticket.ticket_code]))
    return [ExportedOrder(order, tickets_of[order.order_id]) for order in orders]
