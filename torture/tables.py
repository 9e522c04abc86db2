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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class AllotmentRow:
    """Row of allotments."""

    product_id: int
    channel: str
    allotted: int
    issued: int
    held: int


SCANS = frozenset({"ticket.redeemed", "ticket.redemption_conflict"})
_WITHOUT_REQUEST = frozenset({"batch.cancellation_begun", "batch.exported"})
"""Events with a key that do not answer a request. The cancellation of a batch leaves two events with its key, and this
one when it begins. An export is recorded once an hour."""

Keyed = OrderRow | BatchRow | ReservationRow | EventRow
"""A row that a request with a key left."""


class TicketIndex:
    """The tickets by code and by batch."""

    def __init__(self, tickets: Iterable[TicketRow]) -> None:
        self._by_code = {ticket.ticket_code: ticket for ticket in tickets}
        self._by_batch: dict[tuple[int, str], list[TicketRow]] = defaultdict(list)
        for ticket in self._by_code.values():
            self._by_batch[ticket.partner_id, ticket.batch_id].append(ticket)

    def get(self, code: str | None) -> TicketRow | None:
        """Return the ticket with this code, or None."""
        return None if code is None else self._by_code.get(code)

    def of_batch(self, partner_id: int, batch_id: str | None) -> list[TicketRow]:
        """Return the tickets of a batch."""
        return [] if batch_id is None else self._by_batch.get((partner_id, batch_id), [])


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
            key = event.idempotency_key
            if event.event in SCANS:
                # An upload has several scans: their ids begin with its key.
                key = event.data["scan_id"].partition(".")[0]
            if key is not None and event.event not in _WITHOUT_REQUEST:
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
