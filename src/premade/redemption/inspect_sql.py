"""Statements of `inspect.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.postgres.statements import statements_of
from premade.tickets.ticket import EntitlementMembers

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketAtGate:
    ticket_code: str
    status: str
    issue_number: int
    entitlements: list[EntitlementMembers]
    usable_until: date | None
    activated_at: datetime | None
    first_used_at: datetime | None
    today: date
    is_test: bool
    product_name: str
    customer_name: str | None
    last_device_id: str | None
    last_scan_id: str | None
    last_used_at: datetime | None


@statement
def ticket_at_gate(
    *, today: date, zone: str, event: str, ticket_code: str, partner_id: int | None
) -> TicketAtGate: ...
