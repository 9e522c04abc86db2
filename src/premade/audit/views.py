"""Audit events of views of a customer's details or a QR: at most one an hour for each member of staff and ticket or order."""

from collections.abc import Sequence
from datetime import datetime

from premade.audit import views_sql as sql
from premade.audit.events import TicketCustomerViewed, TicketQrViewed
from premade.http.client_address import current_client_address
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

VIEW = "look"
"""The operation of these events, by its older stored name. They have Idempotency-Keys, so a reloaded page leaves one event."""
_HOUR_SECONDS = 3600


def once_an_hour(now: datetime, *parts: str) -> str:
    """Return an idempotency key that is the same for these parts within one hour of the clock."""
    return ":".join([*parts, str(int(now.timestamp()) // _HOUR_SECONDS)])


async def record_qr_view(
    database: Database,
    runtime: Runtime,
    *,
    partner_id: int,
    ticket_code: str,
    issue_number: int,
    actor: str,
    request_id: str,
) -> None:
    """Record a view of the ticket's QR."""
    now = runtime.now()
    async with database.single_statement() as tx:
        await tx.execute(
            sql.record_qr_view,
            partner_id=partner_id,
            ticket_code=ticket_code,
            event=TicketQrViewed.event_name,
            actor=actor,
            request_id=request_id,
            client_ip=current_client_address(),
            now=now,
            operation=VIEW,
            once=once_an_hour(now, actor, "qr", ticket_code, str(issue_number)),
        )


async def record_customer_views(
    database: Database, runtime: Runtime, *, order_ids: Sequence[str], actor: str, request_id: str
) -> None:
    """Record a view of the customers of these orders.

    Each event also names the order's first ticket, so that a search by ticket finds it.
    """
    now = runtime.now()
    async with database.single_statement() as tx:
        await tx.execute(
            sql.record_customer_views,
            order_ids=list(order_ids),
            event=TicketCustomerViewed.event_name,
            actor=actor,
            request_id=request_id,
            client_ip=current_client_address(),
            now=now,
            operation=VIEW,
            once=[once_an_hour(now, actor, "customer", order_id) for order_id in order_ids],
        )
