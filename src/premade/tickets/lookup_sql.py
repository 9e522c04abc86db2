"""Statements of `lookup.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class TicketRow:
    ticket_code: str
    qr_code: str
    status: str
    entitlements: list[dict[str, Any]]
    product_id: int
    batch_id: str
    issue_number: int
    price: Decimal
    currency: str
    valid_until: date | None
    usable_until: date | None
    first_used_at: datetime | None
    created_at: datetime
    activated_at: datetime | None
    order_id: str | None


@dataclass(slots=True)
class TicketWithHistory(TicketRow):
    history: list[dict[str, Any]]
    archived_before: datetime | None
    """Events before this time can be in the archive. None: no month since the ticket was generated is in the archive."""


@statement
def ticket_by_code(*, partner_id: int, ticket_code: str) -> TicketRow: ...


@statement
def ticket_with_history(
    *,
    events: list[str],
    generated: str,
    events_of_batch: list[str],
    events_max: int,
    partner_id: int,
    ticket_code: str,
) -> TicketWithHistory: ...
