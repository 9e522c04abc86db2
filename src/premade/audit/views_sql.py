"""Statements of `views.sql`, and their rows."""

from datetime import datetime

from premade.audit.event import EventName
from premade.audit.events import TicketCustomerViewed, TicketQrViewed
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@statement
def record_qr_view(
    *,
    partner_id: int,
    event: EventName[TicketQrViewed],
    actor: str,
    request_id: str | None,
    client_ip: str | None,
    ticket_code: str,
    now: datetime,
    operation: str,
    once: str | None,
) -> None: ...


@statement
def record_customer_views(
    *,
    event: EventName[TicketCustomerViewed],
    actor: str,
    request_id: str | None,
    client_ip: str | None,
    now: datetime,
    operation: str,
    order_ids: list[str],
    once: list[str] | None,
) -> None: ...
