"""`GET /api/ota/tickets/{code}`, and how a ticket looks in every answer."""

import base64
from datetime import date
from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

from premade.base.problems import documented
from premade.base.values import AnswerModel, Money, Timestamp
from premade.partners.call import Call, partner_router, partner_with
from premade.tickets import picture
from premade.tickets.batch import BATCH_ID_PATTERN
from premade.tickets.code import stored_token
from premade.tickets.lookup import TicketUnknown, ticket_of
from premade.tickets.ticket import Status

router = partner_router("OTA Integration")

TicketCode = Annotated[
    str,
    Path(
        description="The ticket code. One that is malformed is answered like one that is unknown: 404.",
        examples=["CRUISE-2025-FERRY-1762274285982"],
        json_schema_extra={"pattern": "^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$"},
    ),
]
BatchId = Annotated[
    str,
    Path(
        description="The batch_id. One that is malformed is answered like one that is unknown: 404.",
        examples=["BATCH_2025_Q1_001"],
        json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"},
    ),
]


class Entitlement(AnswerModel):
    """What a ticket is good for, and how often still."""

    function_code: str = Field(examples=["ferry"])
    remaining_uses: int = Field(examples=[2])


class QrCode(AnswerModel):
    """The QR of a ticket: its text and its picture."""

    qr_code: str = Field(description="The QR picture: a PNG, base64, without a data: prefix.")
    qr_token: str = Field(description="The signed text inside the QR.")


def qr_of(token: str) -> dict[str, Any]:
    """The members of `QrCode`."""
    return {"qr_code": base64.b64encode(picture.png(token)).decode(), "qr_token": token}


class TicketAnswer(QrCode):
    """A ticket as it is now."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
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


@router.get(
    "/api/ota/tickets/{code}",
    summary="One ticket",
    response_description="The ticket",
    responses=documented(TicketUnknown),
)
async def ticket(call: Annotated[Call, partner_with("tickets:read")], code: TicketCode) -> TicketAnswer:
    """The ticket as it is now, with its QR."""
    row = await ticket_of(call.database, call.caller.partner_id, code)
    return TicketAnswer(**{**row, **qr_of(stored_token(row["qr_code"]))})
