"""What the tables say about some partners, read without the product's own code."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


@dataclass(frozen=True)
class TicketRow:
    """Row of pre_generated_tickets."""

    ticket_code: str
    partner_id: int
    product_id: int
    batch_id: str
    token: str
    issue_number: int
    status: str
    entitlements: list[dict[str, Any]]
    order_id: str | None


@dataclass(frozen=True)
class OrderRow:
    """Row of ota_orders."""

    order_id: str
    partner_id: int
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    status: str
    operation: str
    idempotency_key: str | None
    created_at: datetime
    ticket_codes: list[str]


@dataclass(frozen=True)
class BatchRow:
    """Row of batches."""

    batch_id: str
    partner_id: int
    product_id: int
    channel: str
    quantity: int
    entitlements: list[dict[str, Any]]
    price: Decimal
    reservation_id: str | None
    idempotency_key: str | None
    to_make: int
    unmade: int


@dataclass(frozen=True)
class ReservationRow:
    """Row of reservations."""

    reservation_id: str
    partner_id: int
    product_id: int
    channel: str
    quantity: int
    taken: int
    ended_at: datetime | None
    end_reason: str | None
    idempotency_key: str | None


@dataclass(frozen=True)
class EventRow:
    """Row of audit_events."""

    event_id: int
    partner_id: int
    event: str
    batch_id: str | None
    ticket_code: str | None
    order_id: str | None
    data: dict[str, Any]
    operation: str | None
    idempotency_key: str | None


@dataclass(frozen=True)
class AllotmentRow:
    """Row of allotments."""

    product_id: int
    channel: str
    allotted: int
    issued: int
    held: int


Keyed = OrderRow | BatchRow | ReservationRow | EventRow
"""A row that a request with a key left."""


@dataclass(frozen=True)
class Tables:
    """All rows of the partners."""

    tickets: list[TicketRow]
    orders: list[OrderRow]
    batches: list[BatchRow]
    reservations: list[ReservationRow]
    events: list[EventRow]
    allotments: list[AllotmentRow]

    def by_key(self) -> dict[str, list[Keyed]]:
        """Return the rows that requests left, by Idempotency-Key or `scan_id`."""
        rows: dict[str, list[Keyed]] = defaultdict(list)
        for row in (*self.orders, *self.batches, *self.reservations):
            if row.idempotency_key is not None:
                rows[row.idempotency_key].append(row)
        for event in self.events:
            key = event.data["scan_id"] if event.event == "ticket.redeemed" else event.idempotency_key
            # The cancellation of a batch leaves two events with its key: this one when it begins.
            if key is not None and event.event != "batch.cancellation_begun":
                rows[key].append(event)
        return rows


_TABLE_OF: dict[type[Any], str] = {
    TicketRow: "pre_generated_tickets",
    OrderRow: "ota_orders",
    BatchRow: "batches",
    ReservationRow: "reservations",
    EventRow: "audit_events",
    AllotmentRow: "allotments JOIN partners USING (channel)",
}
_EXPRESSION_OF = {"token": "convert_from(decode(qr_code, 'base64'), 'UTF8')"}
"""Columns that are computed."""


def read_tables(connection: psycopg.Connection, partner_ids: Iterable[int]) -> Tables:
    """Read all rows of these partners. Nobody else may sell on their channels: stock is compared."""
    partners = list(partner_ids)

    def rows(kind: type[Row]) -> list[Row]:
        columns = ", ".join(_EXPRESSION_OF.get(field.name, field.name) for field in fields(kind))
        query = f"SELECT {columns} FROM {_TABLE_OF[kind]} WHERE partner_id = ANY(%s)"  # noqa: S608  (names of this file)
        return [kind(*row) for row in connection.execute(query.encode(), [partners])]

    return Tables(
        rows(TicketRow),
        rows(OrderRow),
        rows(BatchRow),
        rows(ReservationRow),
        rows(EventRow),
        rows(AllotmentRow),
    )
