"""Statements of `rows.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from premade.audit.event import EventName
from premade.audit.events import BatchExported
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class BatchToExport:
    """The batch of an export, with its product. `tickets` counts those in the selected states.

    `is_test`: the tickets are a test partner's, and no gate of the operator admits them.
    """

    batch_id: str
    product_id: int
    product_name: str
    usable_days: int | None
    is_test: bool
    tickets: int


@dataclass(slots=True)
class TicketToExport:
    ticket_code: str
    status: str
    qr_code: str
    issue_number: int
    entitlements: str
    price: Decimal
    currency: str
    valid_until: date | None
    usable_until: date | None
    created_at: datetime
    activated_at: datetime | None
    order_id: str | None


@dataclass(slots=True)
class CodeAt:
    place: int
    ticket_code: str


@statement
def batch_to_export(*, statuses: list[str] | None, partner_id: int, batch_id: str) -> BatchToExport: ...


@statement
def tickets_to_export(
    *,
    partner_id: int,
    batch_id: str,
    after_code: str | None,
    last_code: str | None,
    statuses: list[str] | None,
    rows_max: int | None,
) -> TicketToExport: ...


@statement
def codes_at(*, partner_id: int, batch_id: str, place_max: int, places: list[int]) -> CodeAt: ...


@statement
def record_export(
    *,
    event: EventName[BatchExported],
    actor: str,
    request_id: str | None,
    data: str,
    now: datetime,
    operation: str | None,
    once: str | None,
    partner_id: int,
    batch_id: str,
) -> None: ...
