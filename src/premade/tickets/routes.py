"""Reading tickets: one, many, and their pictures; and how a ticket looks in every answer."""

import base64
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, Field
from starlette.responses import Response

from premade.base.api import Reply
from premade.base.pages import BOUNDED, LINK_HEADER, NEXT, PAGE_ROWS_DEFAULT, CursorText, Limit, link_to_next
from premade.base.problems import documented
from premade.base.texts import reference
from premade.base.values import IN_DIGITS, AnswerModel, Moment, Money, Timestamp
from premade.partners.call import Call, partner_router, partner_with
from premade.tickets import picture
from premade.tickets.batch import BATCH_ID_PATTERN, checked_batch_id
from premade.tickets.code import stored_token
from premade.tickets.listing import TicketFilter, list_tickets
from premade.tickets.lookup import (
    HISTORY_EVENTS_MAX,
    TicketUnknown,
    ticket_of,
    ticket_with_history,
)
from premade.tickets.ticket import Status

router = partner_router("OTA Integration")

PAYMENT_REFERENCE_CHARACTERS_MAX = 128

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


def _payment_reference(value: str) -> str:
    return reference(value, PAYMENT_REFERENCE_CHARACTERS_MAX)


def _optional(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: None if value is None else check(value))


BatchIdFilter = Annotated[
    str | None,
    Query(description="Of this batch", json_schema_extra={"pattern": f"^{BATCH_ID_PATTERN}$"}),
    _optional(checked_batch_id),
]
PaymentReferenceFilter = Annotated[
    str | None,
    Query(
        description="Sold with this payment reference, exactly",
        json_schema_extra={"minLength": 1, "maxLength": PAYMENT_REFERENCE_CHARACTERS_MAX},
    ),
    _optional(_payment_reference),
]
CreatedFrom = Annotated[Moment | None, Query(description="Made at this time or later")]
CreatedBefore = Annotated[Moment | None, Query(description="Made before this time")]


@router.get(
    "/api/ota/tickets",
    summary="The tickets, in pages",
    description=f"The partner's tickets, the newest first; with `payment_reference`, the newest sale first.\n\n{BOUNDED}",
    response_description="A page of tickets",
    responses={200: {"headers": LINK_HEADER}},
    response_model=TicketsAnswer,
)
async def tickets(  # noqa: PLR0913, PLR0917  (a filter is an argument)
    call: Annotated[Call, partner_with("tickets:read")],
    status: Annotated[Status | None, Query(description="In this state")] = None,
    batch_id: BatchIdFilter = None,
    product_id: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Of this product"), IN_DIGITS
    ] = None,
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    activated_from: Annotated[Moment | None, Query(description="Sold at this time or later")] = None,
    activated_before: Annotated[Moment | None, Query(description="Sold before this time")] = None,
    payment_reference: PaymentReferenceFilter = None,
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Says what the description above says."""
    wanted = TicketFilter(
        status,
        batch_id,
        product_id,
        created_from,
        created_before,
        activated_from,
        activated_before,
        payment_reference,
    )
    rows, following = await list_tickets(call.database, call.caller.partner_id, wanted, limit, cursor)
    items = [ListedTicket(**row, qr_token=stored_token(row["qr_code"])) for row in rows]
    return Reply(TicketsAnswer(items=items, next=following), link_to_next(call.scope, following))


@router.get(
    "/api/ota/tickets/{code}",
    summary="One ticket",
    response_description="The ticket",
    responses=documented(TicketUnknown),
)
async def ticket(
    call: Annotated[Call, partner_with("tickets:read")], code: TicketCode
) -> TicketWithHistoryAnswer:
    """The ticket as it is now, with its QR and its history."""
    row = await ticket_with_history(call.database, call.caller.partner_id, code)
    return TicketWithHistoryAnswer(
        **{**row, **qr_of(stored_token(row["qr_code"]), is_test=call.caller.is_test)}
    )


ModulePixels = Annotated[
    int, Query(ge=1, le=picture.MODULE_PIXELS_MAX, description="The side of a module, in pixels"), IN_DIGITS
]
MarginModules = Annotated[
    int,
    Query(
        ge=0,
        le=picture.MARGIN_MODULES_MAX,
        description=f"The light margin, in modules; scanners want {picture.MARGIN_MODULES}",
    ),
    IN_DIGITS,
]


class _Png(Response):
    media_type = "image/png"


class _Svg(Response):
    media_type = "image/svg+xml"


def _picture_of(media_type: str) -> dict[str, Any]:
    """How a picture is declared."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_model": None, "responses": {200: {"content": content}, **documented(TicketUnknown)}}


@router.get(
    "/api/ota/tickets/{code}/qr.png",
    summary="The QR picture of a ticket, as PNG",
    response_description="The picture, 1 bit a pixel",
    response_class=_Png,
    **_picture_of(_Png.media_type),
)
async def qr_png(
    call: Annotated[Call, partner_with("tickets:read")],
    code: TicketCode,
    module_pixels: ModulePixels = picture.MODULE_PIXELS,
    margin_modules: MarginModules = picture.MARGIN_MODULES,
) -> Reply:
    """The QR code that is good now, in the size that a printer or a page needs."""
    row = await ticket_of(call.database, call.caller.partner_id, code)
    drawn = picture.png(
        stored_token(row["qr_code"]), module_pixels, margin_modules, is_sample=call.caller.is_test
    )
    return Reply(drawn, media_type=_Png.media_type)


@router.get(
    "/api/ota/tickets/{code}/qr.svg",
    summary="The QR picture of a ticket, as SVG",
    response_description="The picture, one path",
    response_class=_Svg,
    **_picture_of(_Svg.media_type),
)
async def qr_svg(
    call: Annotated[Call, partner_with("tickets:read")],
    code: TicketCode,
    module_pixels: ModulePixels = picture.MODULE_PIXELS,
    margin_modules: MarginModules = picture.MARGIN_MODULES,
) -> Reply:
    """The QR code that is good now, sharp in any size."""
    row = await ticket_of(call.database, call.caller.partner_id, code)
    drawn = picture.svg(
        stored_token(row["qr_code"]), module_pixels, margin_modules, is_sample=call.caller.is_test
    )
    return Reply(drawn, media_type=_Svg.media_type)
