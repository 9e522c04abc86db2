"""Statements of `generate.sql`, and their rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from premade.audit.event import EventName
from premade.audit.events import BatchGenerated, BatchGenerationBegun
from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class BatchLook:
    product_id: int | None
    ticket_type: str | None
    code_prefix: str | None
    price: Decimal | None
    currency: str | None
    usable_days: int | None
    usable_until: date | None
    entitlements: list[dict[str, Any]] | None
    available: int
    stale: bool | None
    reserved_product_id: int | None
    left_of_reservation: int | None
    reservation_expires_at: datetime | None
    reservation_end_reason: str | None
    now: datetime
    today: date
    batch_id_taken: bool


@dataclass(slots=True)
class CodesTaken:
    first_ms: int | None
    today: date
    incarnation_id: UUID | None


@dataclass(slots=True)
class Written:
    batches: int
    stock: int
    reservations: int


@dataclass(slots=True)
class BatchReceipt:
    batch_id: str
    product_id: int
    entitlements: list[dict[str, Any]]
    price: Decimal
    currency: str
    valid_until: date | None
    usable_days: int | None
    usable_until: date | None
    metadata: dict[str, Any] | None
    reservation_id: str | None
    created_at: datetime
    signing_key_id: str
    request_digest: bytes


@statement
def look(
    *,
    now: datetime,
    today: date,
    zone: str,
    partner_id: int,
    batch_id: str,
    product_id: int,
    channel: str,
    reservation_id: str | None,
) -> BatchLook: ...


@statement
def take_codes(*, quantity: int, partner_id: int, today: date, zone: str) -> CodesTaken: ...


@statement
def write(
    *,
    partner_id: int,
    batch_id: str,
    product_id: int,
    channel: str,
    quantity: int,
    entitlements: str,
    price: Decimal,
    currency: str,
    valid_until: date | None,
    usable_days: int | None,
    usable_until: date | None,
    metadata: str | None,
    reservation_id: str | None,
    signing_key_id: str,
    idempotency_key: str | None,
    request_digest: bytes,
    now: datetime,
    to_make: int,
    incarnation_id: UUID | None,
    tickets: str,
    event: EventName[BatchGenerated | BatchGenerationBegun],
    actor: str,
    request_id: str | None,
) -> Written: ...


@statement
def batch_of_key(*, partner_id: int, idempotency_key: str | None) -> BatchReceipt: ...


@statement
def codes_of_batch(*, partner_id: int, batch_id: str) -> str: ...
