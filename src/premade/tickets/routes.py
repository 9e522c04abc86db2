"""Read tickets: one, many, and their pictures."""

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from premade.batches.routes import BatchIdFilter
from premade.http.endpoint import Reply
from premade.http.fields import IN_DIGITS, Moment
from premade.http.pagination import (
    BOUNDED,
    LINK_HEADER,
    PAGE_ROWS_DEFAULT,
    CreatedBefore,
    CreatedFrom,
    CursorText,
    Limit,
    link_to_next,
    optional,
)
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.postgres.statements import columns_of
from premade.tickets import picture
from premade.tickets.answers import ListedTicket, TicketEvent, TicketsAnswer, TicketWithHistoryAnswer, qr_of
from premade.tickets.code import stored_token
from premade.tickets.listing import TicketFilter, list_tickets
from premade.tickets.lookup import (
    TicketUnknown,
    ticket_of,
    ticket_with_history,
)
from premade.tickets.ticket import Status
from premade.values.texts import reference

router = partner_router("OTA Integration")

PAYMENT_REFERENCE_CHARACTERS_MAX = 128

TicketCode = Annotated[
    str,
    Path(
        description="Ticket code. A malformed value is answered 404, like an unknown one.",
        examples=["CRUISE-2025-FERRY-1762274285982"],
        json_schema_extra={"pattern": "^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$"},
    ),
]


def _payment_reference(value: str) -> str:
    return reference(value, PAYMENT_REFERENCE_CHARACTERS_MAX)


PaymentReferenceFilter = Annotated[
    str | None,
    Query(
        description="Only with exactly this payment reference",
        json_schema_extra={"minLength": 1, "maxLength": PAYMENT_REFERENCE_CHARACTERS_MAX},
    ),
    optional(_payment_reference),
]


@router.get(
    "/api/ota/tickets",
    summary="List tickets",
    description=f"Return the partner's tickets, newest first. With `payment_reference`, the newest activation comes first.\n\n{BOUNDED}",
    response_description="Page of tickets",
    responses={200: {"headers": LINK_HEADER}},
    response_model=TicketsAnswer,
)
async def tickets(  # noqa: PLR0913, PLR0917  (a filter is an argument)
    call: Annotated[Call, partner_with("tickets:read")],
    status: Annotated[Status | None, Query(description="Only tickets in this state")] = None,
    batch_id: BatchIdFilter = None,
    product_id: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Only tickets of this product"), IN_DIGITS
    ] = None,
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    activated_from: Annotated[
        Moment | None, Query(description="Only tickets activated at this time or later")
    ] = None,
    activated_before: Annotated[
        Moment | None, Query(description="Only tickets activated before this time")
    ] = None,
    payment_reference: PaymentReferenceFilter = None,
    limit: Limit = PAGE_ROWS_DEFAULT,
    cursor: CursorText = None,
) -> Reply:
    """Return a page of tickets. The description above is the public text."""
    ticket_filter = TicketFilter(
        status,
        batch_id,
        product_id,
        created_from,
        created_before,
        activated_from,
        activated_before,
        payment_reference,
    )
    rows, next_cursor = await list_tickets(
        call.database, call.caller.partner_id, ticket_filter, limit, cursor
    )
    items = [ListedTicket(**columns_of(row), qr_token=stored_token(row.qr_code)) for row in rows]
    return Reply(TicketsAnswer(items=items, next=next_cursor), link_to_next(call.scope, next_cursor))


@router.get(
    "/api/ota/tickets/{code}",
    summary="Get a ticket",
    description="Return the current state of a ticket, with its QR and its history.",
    response_description="The ticket",
    responses=documented(TicketUnknown),
)
async def ticket(
    call: Annotated[Call, partner_with("tickets:read")], code: TicketCode
) -> TicketWithHistoryAnswer:
    """Return the current state of a ticket, with its QR and its history."""
    found = await ticket_with_history(call.database, call.caller.partner_id, code)
    members: dict[str, Any] = {
        **columns_of(found.ticket),
        **qr_of(stored_token(found.ticket.qr_code), is_test=call.caller.is_test),
        "history": [TicketEvent.model_validate(vars(event)) for event in found.history],
    }
    return TicketWithHistoryAnswer(**members)


ModulePixels = Annotated[
    int,
    Query(ge=1, le=picture.MODULE_PIXELS_MAX, description="Side length of a module, in pixels"),
    IN_DIGITS,
]
MarginModules = Annotated[
    int,
    Query(
        ge=0,
        le=picture.MARGIN_MODULES_MAX,
        description=f"Width of the light margin, in modules; scanners need {picture.MARGIN_MODULES}",
    ),
    IN_DIGITS,
]


class _Png(Response):
    media_type = "image/png"


class _Svg(Response):
    media_type = "image/svg+xml"


def _picture_of(media_type: str) -> dict[str, Any]:
    """Return the route arguments of a picture."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_model": None, "responses": {200: {"content": content}, **documented(TicketUnknown)}}


@router.get(
    "/api/ota/tickets/{code}/qr.png",
    summary="Get the QR picture of a ticket as PNG",
    description="Return the valid QR code of a ticket, in the requested size.",
    response_description="PNG picture, 1 bit per pixel",
    response_class=_Png,
    **_picture_of(_Png.media_type),
)
async def qr_png(
    call: Annotated[Call, partner_with("tickets:read")],
    code: TicketCode,
    module_pixels: ModulePixels = picture.MODULE_PIXELS,
    margin_modules: MarginModules = picture.MARGIN_MODULES,
) -> Reply:
    """Return the valid QR code of a ticket, in the requested size."""
    row = await ticket_of(call.database, call.caller.partner_id, code)
    drawn = picture.png(
        stored_token(row.qr_code), module_pixels, margin_modules, is_sample=call.caller.is_test
    )
    return Reply(drawn, media_type=_Png.media_type)


@router.get(
    "/api/ota/tickets/{code}/qr.svg",
    summary="Get the QR picture of a ticket as SVG",
    description="Return the valid QR code of a ticket, sharp in any size.",
    response_description="SVG picture with one path",
    response_class=_Svg,
    **_picture_of(_Svg.media_type),
)
async def qr_svg(
    call: Annotated[Call, partner_with("tickets:read")],
    code: TicketCode,
    module_pixels: ModulePixels = picture.MODULE_PIXELS,
    margin_modules: MarginModules = picture.MARGIN_MODULES,
) -> Reply:
    """Return the valid QR code of a ticket, sharp in any size."""
    row = await ticket_of(call.database, call.caller.partner_id, code)
    drawn = picture.svg(
        stored_token(row.qr_code), module_pixels, margin_modules, is_sample=call.caller.is_test
    )
    return Reply(drawn, media_type=_Svg.media_type)
