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
from premade.tickets import picture
from premade.tickets.answers import ListedTicket, TicketsAnswer, TicketWithHistoryAnswer, qr_of
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
        description="The ticket code. One that is malformed is answered like one that is unknown: 404.",
        examples=["CRUISE-2025-FERRY-1762274285982"],
        json_schema_extra={"pattern": "^[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}$"},
    ),
]


def _payment_reference(value: str) -> str:
    return reference(value, PAYMENT_REFERENCE_CHARACTERS_MAX)


PaymentReferenceFilter = Annotated[
    str | None,
    Query(
        description="Sold with this payment reference, exactly",
        json_schema_extra={"minLength": 1, "maxLength": PAYMENT_REFERENCE_CHARACTERS_MAX},
    ),
    optional(_payment_reference),
]


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
