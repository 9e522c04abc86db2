"""Tickets and orders: the search, and the pages of a ticket, an order and several orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.audit.views import record_customer_views, record_qr_view
from premade.catalog.names import function_names_in
from premade.console.actors import names_of_staff
from premade.console.addresses import HOME, go_to
from premade.console.rendering import HEADERS
from premade.console.routing import Page, StaffRequest
from premade.console.tickets.search import (
    ORDERS_SHOWN_MAX,
    SEARCH_CHARACTERS_MAX,
    Like,
    SearchedOrder,
    SearchedSales,
    SearchedTicket,
    orders_like,
    read_search,
    tickets_of_order,
)
from premade.console.tickets.search_sql import (
    FoundByPhone,
    FoundOrder,
    TicketOfOrder,
)
from premade.orders.lookup import OrderUnknown, order_of
from premade.orders.lookup_sql import OrderRow
from premade.orders.owner import partner_of_order, partner_of_ticket
from premade.orders.owner_sql import OrderOwner, TicketOwner
from premade.staff.role import Right
from premade.texts.translation import Text, current_language, lazy
from premade.tickets import picture
from premade.tickets.code import stored_token
from premade.tickets.history import HistoryEvent
from premade.tickets.lookup import TicketUnknown, ticket_of, ticket_with_history
from premade.tickets.lookup_sql import TicketRow
from premade.tickets.signing import Verifiers
from premade.values.texts import cleaned

TICKETS = f"{HOME}/tickets"
ORDERS = f"{HOME}/orders"
_COLUMN_OF = {
    Like.EMAIL: "customer_email",
    Like.PHONE: "customer_phone",
    Like.PAYMENT: "payment_reference",
}
_DONE = {
    "cancelled": lazy(
        "The ticket is cancelled. Its stock is available again, and its QR no longer opens a gate."
    ),
    "order": lazy("The order is cancelled. The stock is available again, and its QRs no longer open a gate."),
    "reissued": lazy("The ticket has a new QR, shown here. Earlier ones no longer open a gate."),
}
_SCANNED = {
    "current": lazy("The scanned QR is valid."),
    "replaced": lazy("The scanned QR was replaced by a newer one; it does not open a gate."),
    "retired": lazy("The scanned QR was signed with a retired key; it does not open a gate."),
    "forged": lazy("The scanned QR was not created by this service: it is forged or from another system."),
}


@dataclass(frozen=True)
class _SearchPage:
    searched: str | None


async def _search_page(request: StaffRequest) -> Response:
    return request.page("tickets/search.html", _SearchPage(searched=None))


async def _search(request: StaffRequest) -> Response:
    """Redirect to the ticket, the order or the orders that match.

    The search is a form, and the redirect contains ids only. So no URL, no log and no browser history contains a customer's
    e-mail address or phone number.
    """
    text = request.form.get("searched", "")
    if not cleaned(text) or len(text) > SEARCH_CHARACTERS_MAX:
        return _nothing_found(request, cleaned(text)[:SEARCH_CHARACTERS_MAX])
    searched = read_search(text)
    try:
        if isinstance(searched, SearchedTicket):
            return await _lead_to_ticket(request, searched)
        if isinstance(searched, SearchedOrder):
            await partner_of_order(request.database, searched.order_id)
            return go_to(f"{ORDERS}/{searched.order_id}")
    except (TicketUnknown, OrderUnknown):
        return _nothing_found(request, cleaned(text))
    return await _lead_to_sales(request, searched) or _nothing_found(request, cleaned(text))


async def _lead_to_sales(request: StaffRequest, searched: SearchedSales) -> Response | None:
    for like, value in searched.readings:
        orders, is_cut = await orders_like(request.database, like, value)
        if (
            like is Like.PHONE
            and len({order.customer_phone for order in orders if isinstance(order, FoundByPhone)}) > 1
        ):
            # Several customers: a link to all of them would contain the phone number.
            return await _orders_page(request, like, value, orders, is_cut=is_cut)
        if orders:
            same = f"/same/{like}" if len(orders) > 1 else ""
            return go_to(f"{ORDERS}/{orders[0].order_id}{same}")
    return None


def _nothing_found(request: StaffRequest, text: str) -> Response:
    return request.page("tickets/search.html", _SearchPage(searched=text or None), 404 if text else 200)


async def _lead_to_ticket(request: StaffRequest, searched: SearchedTicket) -> Response:
    owner = await partner_of_ticket(request.database, searched.ticket_code)
    address = f"{TICKETS}/{searched.ticket_code}"
    if searched.token is None:
        return go_to(address)
    ticket = await ticket_of(request.database, owner.partner_id, searched.ticket_code)
    verified = await request.use(Verifiers).read(searched.token)
    if verified is None:
        found = "forged"
    elif verified.is_retired:
        found = "retired"
    else:
        found = "current" if verified.token.issue_number == ticket.issue_number else "replaced"
    return go_to(f"{address}?scanned={found}")


@dataclass(frozen=True)
class _TicketPage:
    ticket: TicketRow
    history: list[HistoryEvent]
    archived_before: datetime | None
    owner: TicketOwner
    order: OrderRow | None
    names: dict[str, str]
    function_names: dict[str, str]
    """Names in the reader's language, by function code."""
    can_cancel: bool
    can_reissue: bool
    done: Text | None
    scanned: Text | None
    is_scan_good: bool


async def _ticket(request: StaffRequest) -> Response:
    code = request.path_param("code")
    owner = await partner_of_ticket(request.database, code)
    found = await ticket_with_history(request.database, owner.partner_id, code)
    ticket = found.ticket
    order_id = ticket.order_id
    order = None if order_id is None else await order_of(request.database, owner.partner_id, order_id)
    if order is not None:
        await _record_customers(request, [order.order_id])
    can_change = request.member.may(Right.CHANGE_TICKETS) and ticket.status in {"PRE_GENERATED", "ACTIVE"}
    return request.page(
        "tickets/ticket.html",
        _TicketPage(
            ticket=ticket,
            history=found.history,
            archived_before=ticket.archived_before,
            owner=owner,
            order=order,
            names=await names_of_staff(request.database, [event.actor for event in found.history]),
            function_names=await function_names_in(request.database, current_language().tag),
            can_cancel=can_change and ticket.first_used_at is None,
            can_reissue=can_change,
            done=_DONE.get(request.own_link_param("done")),
            scanned=_SCANNED.get(request.own_link_param("scanned")),
            is_scan_good=request.own_link_param("scanned") == "current",
        ),
    )


async def _record_customers(request: StaffRequest, order_ids: list[str]) -> None:
    """Record that the member sees these customers. This happens before the page is sent, so that no view lacks its event."""
    await record_customer_views(
        request.database,
        request.runtime,
        order_ids=order_ids,
        actor=request.member.actor,
        request_id=request.request_id,
    )


async def _picture(request: StaffRequest) -> Response:
    code = request.path_param("code")
    owner = await partner_of_ticket(request.database, code)
    ticket = await ticket_of(request.database, owner.partner_id, code)
    await record_qr_view(
        request.database,
        request.runtime,
        partner_id=owner.partner_id,
        ticket_code=code,
        issue_number=ticket.issue_number,
        actor=request.member.actor,
        request_id=request.request_id,
    )
    drawn = picture.svg(stored_token(ticket.qr_code), is_sample=owner.is_test)
    return Response(drawn, media_type="image/svg+xml", headers=HEADERS)


@dataclass(frozen=True)
class _OrderPage:
    order: OrderRow
    owner: OrderOwner
    tickets: list[TicketOfOrder]
    can_cancel: bool
    done: Text | None


async def _order(request: StaffRequest) -> Response:
    order_id = request.path_param("order_id")
    owner = await partner_of_order(request.database, order_id)
    order = await order_of(request.database, owner.partner_id, order_id)
    await _record_customers(request, [order_id])
    tickets = await tickets_of_order(request.database, owner.partner_id, order.ticket_codes)
    return request.page(
        "tickets/order.html",
        _OrderPage(
            order=order,
            owner=owner,
            tickets=tickets,
            can_cancel=request.member.may(Right.CHANGE_TICKETS) and order.status != "CANCELLED",
            done=_DONE["order"] if request.own_link_param("done") == "cancelled" else None,
        ),
    )


async def _orders_like(request: StaffRequest) -> Response:
    if request.path_param("like") not in set(Like):
        raise HTTPException(404)
    like = Like(request.path_param("like"))
    owner = await partner_of_order(request.database, request.path_param("order_id"))
    order = await order_of(request.database, owner.partner_id, request.path_param("order_id"))
    value = getattr(order, _COLUMN_OF[like])
    orders, is_cut = await orders_like(request.database, like, value)
    return await _orders_page(request, like, value, orders, is_cut=is_cut)


@dataclass(frozen=True)
class _OrdersPage:
    like: Like
    value: str
    orders: Sequence[FoundOrder]
    is_cut: bool
    shown_max: int


async def _orders_page(
    request: StaffRequest, like: Like, value: str, orders: Sequence[FoundOrder], *, is_cut: bool
) -> Response:
    """Return the only page with several customers; the look at each is recorded."""
    await _record_customers(request, [each.order_id for each in orders])
    return request.page(
        "tickets/orders.html",
        _OrdersPage(like=like, value=value, orders=orders, is_cut=is_cut, shown_max=ORDERS_SHOWN_MAX),
    )


_TICKET, _ORDER = f"{TICKETS}/{{code}}", f"{ORDERS}/{{order_id}}"
PAGES = [
    Page(TICKETS, _search_page, right=Right.SEE_SALES),
    Page(f"{HOME}/search", send=_search, right=Right.SEE_SALES),
    Page(_TICKET, _ticket, right=Right.SEE_SALES),
    Page(f"{_TICKET}/qr.svg", _picture, right=Right.SEE_QR),
    Page(_ORDER, _order, right=Right.SEE_SALES),
    Page(f"{_ORDER}/same/{{like}}", _orders_like, right=Right.SEE_SALES),
]
