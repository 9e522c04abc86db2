"""Response models of tickets, entitlements and QR codes, shared by several features."""

import base64
from datetime import date
from typing import Literal, TypedDict

from pydantic import Field

from premade.http.fields import AnswerModel, Money, Timestamp
from premade.http.pagination import NEXT
from premade.tickets import picture
from premade.tickets.lookup import HISTORY_EVENTS_MAX
from premade.tickets.ticket import Status


class Entitlement(AnswerModel):
    """Function on a ticket, with its remaining uses."""

    function_code: str = Field(examples=["ferry"])
    remaining_uses: int = Field(examples=[2])


class QrCode(AnswerModel):
    """QR of a ticket: text and picture."""

    qr_code: str = Field(
        description="QR picture: PNG in base64, without a data: prefix. The picture of a test ticket says SAMPLE."
    )
    qr_token: str = Field(description="Signed text in the QR code")


class QrMembers(TypedDict):
    """The members of `QrCode`."""

    qr_code: str
    qr_token: str


def qr_of(token: str, *, is_test: bool) -> QrMembers:
    """Return the members of `QrCode`. The picture of a test ticket says SAMPLE."""
    drawn = picture.png(token, is_sample=is_test)
    return {"qr_code": base64.b64encode(drawn).decode(), "qr_token": token}


class ListedTicket(AnswerModel):
    """Current state of a ticket, without its picture."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    qr_token: str = Field(description="Signed text in the QR code")
    status: Status
    entitlements: list[Entitlement]
    product_id: int = Field(examples=[106])
    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    issue_number: int = Field(description="Number of the valid QR; a reissue adds 1", examples=[1])
    price: Money
    currency: str = Field(description="Currency code, ISO 4217", examples=["HKD"])
    valid_until: date | None = Field(description="Last day of sale", examples=["2099-03-31"])
    usable_until: date | None = Field(
        description="Last day of use in the operator's time zone; null if it is not set yet or there is none",
        examples=["2099-12-31"],
    )
    first_used_at: Timestamp | None = Field(description="Time of the first redemption; null before it")
    created_at: Timestamp
    activated_at: Timestamp | None = Field(description="Time of the activation; null before it")
    order_id: str | None = Field(
        description="Order of the activation; null before it", examples=["ORD-1762274304824"]
    )


class TicketAnswer(ListedTicket, QrCode):
    """Current state of a ticket."""


class TicketEvent(AnswerModel):
    """Event of a ticket. A member that does not apply to the event is null."""

    event: Literal[
        "ticket.generated",
        "ticket.activated",
        "ticket.redeemed",
        "ticket.cancelled",
        "ticket.reissued",
        "ticket.expired",
    ]
    occurred_at: Timestamp
    order_id: str | None = Field(default=None, examples=["ORD-1762274304824"])
    payment_reference: str | None = Field(default=None, examples=["PAY-OTA-2025-001"])
    function_code: str | None = Field(default=None, examples=["ferry"])
    uses: int | None = Field(default=None, examples=[1])
    device_id: str | None = Field(default=None, description="Device at the gate", examples=["gate-3"])
    reason: str | None = Field(default=None, examples=["lost"])
    issue_number: int | None = Field(default=None, description="Number of the new QR", examples=[2])


class TicketWithHistoryAnswer(TicketAnswer):
    """Current state of a ticket with its history."""

    history: list[TicketEvent] = Field(
        description=f"Events of the ticket, oldest first; at most the newest {HISTORY_EVENTS_MAX:,}"
    )
    archived_before: Timestamp | None = Field(
        description="Events before this time can be missing: the operator moves old ones to an archive. Null if no event is missing"
    )


class TicketsAnswer(AnswerModel):
    """Page of tickets."""

    items: list[ListedTicket]
    next: str | None = Field(description=NEXT, examples=["WyJ0aWNrZXRzIiwi4oCmIl0"])
