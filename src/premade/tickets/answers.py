"""How tickets, entitlements and QR codes look in answers, whichever feature gives them."""

import base64
from datetime import date
from typing import Any, Literal

from pydantic import Field

from premade.http.fields import AnswerModel, Money, Timestamp
from premade.http.pagination import NEXT
from premade.tickets import picture
from premade.tickets.lookup import HISTORY_EVENTS_MAX
from premade.tickets.ticket import Status


class Entitlement(AnswerModel):
    """What a ticket is good for, and how often still."""

    function_code: str = Field(examples=["ferry"])
    remaining_uses: int = Field(examples=[2])


class QrCode(AnswerModel):
    """The QR of a ticket: its text and its picture."""

    qr_code: str = Field(
        description="The QR picture: a PNG, base64, without a data: prefix. The picture of a test ticket says SAMPLE."
    )
    qr_token: str = Field(description="The signed text inside the QR.")


def qr_of(token: str, *, is_test: bool) -> dict[str, Any]:
    """The members of `QrCode`. The picture of a test ticket says SAMPLE."""
    drawn = picture.png(token, is_sample=is_test)
    return {"qr_code": base64.b64encode(drawn).decode(), "qr_token": token}


class ListedTicket(AnswerModel):
    """A ticket as it is now, without its picture."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    qr_token: str = Field(description="The signed text inside the QR.")
    status: Status
    entitlements: list[Entitlement]
    product_id: int = Field(examples=[106])
    batch_id: str = Field(examples=["BATCH_2025_Q1_001"])
    issue_number: int = Field(
        description="Which QR of the ticket is the good one; a reissue raises it", examples=[1]
    )
    price: Money
    currency: str = Field(description="ISO 4217", examples=["HKD"])
    valid_until: date | None = Field(description="The last day of sale", examples=["2099-03-31"])
    usable_until: date | None = Field(
        description="The last day of use, in the operator's time zone; null while it is not fixed, or without one",
        examples=["2099-12-31"],
    )
    first_used_at: Timestamp | None = Field(description="null until the first entitlement is used")
    created_at: Timestamp
    activated_at: Timestamp | None = Field(description="null until the ticket is activated")
    order_id: str | None = Field(
        description="null until the ticket is activated", examples=["ORD-1762274304824"]
    )


class TicketAnswer(ListedTicket, QrCode):
    """A ticket as it is now."""


class TicketEvent(AnswerModel):
    """What happened to a ticket. A member that says nothing about it is null."""

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
    device_id: str | None = Field(default=None, description="The gate's device", examples=["gate-3"])
    reason: str | None = Field(default=None, examples=["lost"])
    issue_number: int | None = Field(default=None, description="The new QR's", examples=[2])


class TicketWithHistoryAnswer(TicketAnswer):
    """A ticket as it is now, and how it came to be so."""

    history: list[TicketEvent] = Field(
        description=f"Oldest first; of more than {HISTORY_EVENTS_MAX:,} events the newest"
    )


class TicketsAnswer(AnswerModel):
    """A page of tickets."""

    items: list[ListedTicket]
    next: str | None = Field(description=NEXT, examples=["WyJ0aWNrZXRzIiwi4oCmIl0"])
