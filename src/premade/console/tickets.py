"""Tickets and orders: finding them, looking at them, cancelling and reissuing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.audit.looks import record_customer_looks, record_qr_look
from premade.cancellation.cancel import Canceller, ToCancel
from premade.console.door import HOME, StaffRequest, form_only, go_to, page
from premade.console.rendering import HEADERS, Templates
from premade.console.search import (
    ORDERS_SHOWN_MAX,
    SEARCH_CHARACTERS_MAX,
    Like,
    SearchedOrder,
    SearchedSales,
    SearchedTicket,
    orders_like,
    partner_of_order,
    partner_of_ticket,
    read_search,
    tickets_of_order,
)
from premade.http.gateway import PageRoute
from premade.orders.lookup import OrderUnknown, order_of
from premade.reissue.reissue import Reissuer, ToReissue
from premade.staff.member import list_staff
from premade.staff.role import Right
from premade.tickets import picture
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason
from premade.tickets.code import stored_token
from premade.tickets.lookup import TicketUnknown, ticket_of, ticket_with_history
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
    "cancelled": "The ticket is cancelled. Its stock is available again, and its QR opens no gate.",
    "reissued": "The ticket has a new QR, shown here. The ones before open no gate.",
}
_SCANNED = {
    "current": "The QR that you scanned is the good one.",
    "replaced": "The QR that you scanned was replaced by a newer one; it opens no gate.",
    "retired": "The QR that you scanned was signed by a key that is retired; it opens no gate.",
    "forged": "The QR that you scanned was not made by this service: a forgery, or of another system.",
}


@dataclass(frozen=True)
class OnBehalf:
    """A member of the staff who changes something of a partner's."""

    partner_id: int
    actor: str


def pages(templates: Templates) -> list[PageRoute]:
    """The routes."""
    see, change = Right.SEE_SALES, Right.CHANGE_TICKETS
    return [
        *page(templates, TICKETS, _search_page, right=see),
        *form_only(templates, f"{HOME}/search", _search, see),
        *page(templates, f"{TICKETS}/{{code}}", _ticket, right=see),
        *page(templates, f"{TICKETS}/{{code}}/qr.svg", _picture, right=Right.SEE_QR),
        *page(templates, f"{TICKETS}/{{code}}/cancel", _asker("cancel"), _doer("cancel", _cancel), change),
        *page(
            templates, f"{TICKETS}/{{code}}/reissue", _asker("reissue"), _doer("reissue", _reissue), change
        ),
        *page(templates, f"{ORDERS}/{{order_id}}", _order, right=see),
        *page(templates, f"{ORDERS}/{{order_id}}/same/{{like}}", _orders_like, right=see),
    ]


async def _search_page(visit: StaffRequest) -> Response:
    return visit.page("search.html", searched=None)


async def _search(visit: StaffRequest) -> Response:
    """Leads to what was found. Sent as a form, and led to by ids alone: no address, and so no log and no browser's
    history, has a customer's e-mail or phone in it.
    """
    text = visit.form.get("searched", "")
    if not cleaned(text) or len(text) > SEARCH_CHARACTERS_MAX:
        return _nothing_found(visit, cleaned(text)[:SEARCH_CHARACTERS_MAX])
    searched = read_search(text)
    try:
        if isinstance(searched, SearchedTicket):
            return await _lead_to_ticket(visit, searched)
        if isinstance(searched, SearchedOrder):
            await partner_of_order(visit.database, searched.order_id)
            return go_to(f"{ORDERS}/{searched.order_id}")
    except (TicketUnknown, OrderUnknown):
        return _nothing_found(visit, cleaned(text))
    return await _lead_to_sales(visit, searched) or _nothing_found(visit, cleaned(text))


async def _lead_to_sales(visit: StaffRequest, searched: SearchedSales) -> Response | None:
    for like, value in searched.readings:
        orders, is_cut = await orders_like(visit.database, like, value)
        if like is Like.PHONE and len({order["customer_phone"] for order in orders}) > 1:
            # Several customers: a link to all of them would contain the phone number.
            return await _orders_page(visit, like, value, orders, is_cut=is_cut)
        if orders:
            same = f"/same/{like}" if len(orders) > 1 else ""
            return go_to(f"{ORDERS}/{orders[0]['order_id']}{same}")
    return None


def _nothing_found(visit: StaffRequest, text: str) -> Response:
    return visit.page("search.html", 404 if text else 200, searched=text or None)


async def _lead_to_ticket(visit: StaffRequest, searched: SearchedTicket) -> Response:
    whose = await partner_of_ticket(visit.database, searched.ticket_code)
    address = f"{TICKETS}/{searched.ticket_code}"
    if searched.token is None:
        return go_to(address)
    ticket = await ticket_of(visit.database, whose["partner_id"], searched.ticket_code)
    verified = await visit.use(Verifiers).read(searched.token)
    if verified is None:
        found = "forged"
    elif verified.is_retired:
        found = "retired"
    else:
        found = "current" if verified.token.issue_number == ticket["issue_number"] else "replaced"
    return go_to(f"{address}?scanned={found}")


async def _ticket(visit: StaffRequest) -> Response:
    code = visit.path_param("code")
    whose = await partner_of_ticket(visit.database, code)
    ticket = await ticket_with_history(visit.database, whose["partner_id"], code)
    order_id = ticket["order_id"]
    order = None if order_id is None else await order_of(visit.database, whose["partner_id"], order_id)
    if order is not None:
        await _record_customers(visit, [order["order_id"]])
    can_change = visit.member.may(Right.CHANGE_TICKETS) and ticket["status"] in {"PRE_GENERATED", "ACTIVE"}
    return visit.page(
        "ticket.html",
        ticket=ticket,
        whose=whose,
        order=order,
        names=await _names_of_actors(visit, ticket["history"]),
        can_cancel=can_change and ticket["first_used_at"] is None,
        can_reissue=can_change,
        done=_DONE.get(visit.own_link_param("done")),
        scanned=_SCANNED.get(visit.own_link_param("scanned")),
        is_scan_good=visit.own_link_param("scanned") == "current",
    )


async def _record_customers(visit: StaffRequest, order_ids: list[str]) -> None:
    """Record the look before the page is sent: nobody sees a customer's details without an event."""
    await record_customer_looks(
        visit.database,
        visit.runtime,
        order_ids=order_ids,
        actor=visit.member.actor,
        request_id=visit.request_id,
    )


async def _names_of_actors(visit: StaffRequest, history: list[dict[str, Any]]) -> dict[str, str]:
    """The names of the staff in a history, by how the record has them."""
    if not any(event["actor"].startswith("staff:") for event in history):
        return {}
    return {f"staff:{each['staff_id']}": each["name"] for each in await list_staff(visit.database)}


async def _picture(visit: StaffRequest) -> Response:
    code = visit.path_param("code")
    whose = await partner_of_ticket(visit.database, code)
    ticket = await ticket_of(visit.database, whose["partner_id"], code)
    await record_qr_look(
        visit.database,
        visit.runtime,
        partner_id=whose["partner_id"],
        ticket_code=code,
        issue_number=ticket["issue_number"],
        actor=visit.member.actor,
        request_id=visit.request_id,
    )
    drawn = picture.svg(stored_token(ticket["qr_code"]), is_sample=whose["is_test"])
    return Response(drawn, media_type="image/svg+xml", headers=HEADERS)


def _asker(what: str) -> Callable[[StaffRequest], Awaitable[Response]]:
    """The page that says what a change will do, and asks why."""

    async def ask(visit: StaffRequest) -> Response:
        return await _ask(visit, what, visit.new_nonce(), reason="", wrong=None)

    return ask


async def _ask(visit: StaffRequest, what: str, once: str, *, reason: str, wrong: str | None) -> Response:
    code = visit.path_param("code")
    whose = await partner_of_ticket(visit.database, code)
    ticket = await ticket_of(visit.database, whose["partner_id"], code)
    return visit.page(
        "change.html",
        400 if wrong else 200,
        what=what,
        ticket=ticket,
        whose=whose,
        once=once,
        reason=reason,
        reason_characters_max=REASON_CHARACTERS_MAX,
        wrong=wrong,
    )


def _doer(
    what: str, do: Callable[[StaffRequest, int, str, str], Awaitable[str]]
) -> Callable[[StaffRequest], Awaitable[Response]]:
    """Makes the change, once for each form that was shown, and leads to the ticket as it is then."""

    async def act(visit: StaffRequest) -> Response:
        code, once = visit.path_param("code"), visit.nonce()
        reason = visit.form.get("reason", "")
        try:
            reason = checked_reason(reason)
        except ValueError as error:
            return await _ask(visit, what, once, reason=reason, wrong=str(error))
        whose = await partner_of_ticket(visit.database, code)
        done = await do(visit, whose["partner_id"], reason, once)
        return go_to(f"{TICKETS}/{code}?done={done}")

    return act


async def _cancel(visit: StaffRequest, partner_id: int, reason: str, once: str) -> str:
    asked = ToCancel(
        OnBehalf(partner_id, visit.member.actor),
        visit.request_id,
        visit.path_param("code"),
        reason,
        f"{visit.member.actor}:{once}",
    )
    await visit.use(Canceller).cancel(asked)
    return "cancelled"


async def _reissue(visit: StaffRequest, partner_id: int, reason: str, once: str) -> str:
    asked = ToReissue(
        OnBehalf(partner_id, visit.member.actor),
        visit.request_id,
        visit.path_param("code"),
        reason,
        f"{visit.member.actor}:{once}",
    )
    await visit.use(Reissuer).reissue(asked)
    return "reissued"


async def _order(visit: StaffRequest) -> Response:
    order_id = visit.path_param("order_id")
    whose = await partner_of_order(visit.database, order_id)
    order = await order_of(visit.database, whose["partner_id"], order_id)
    await _record_customers(visit, [order_id])
    tickets = await tickets_of_order(visit.database, whose["partner_id"], order["ticket_codes"])
    return visit.page("order.html", order=order, whose=whose, tickets=tickets)


async def _orders_like(visit: StaffRequest) -> Response:
    if visit.path_param("like") not in set(Like):
        raise HTTPException(404)
    like = Like(visit.path_param("like"))
    whose = await partner_of_order(visit.database, visit.path_param("order_id"))
    order = await order_of(visit.database, whose["partner_id"], visit.path_param("order_id"))
    value = order[_COLUMN_OF[like]]
    orders, is_cut = await orders_like(visit.database, like, value)
    return await _orders_page(visit, like, value, orders, is_cut=is_cut)


async def _orders_page(
    visit: StaffRequest, like: Like, value: str, orders: list[dict[str, Any]], *, is_cut: bool
) -> Response:
    """Return the only page with several customers; the look at each is recorded."""
    await _record_customers(visit, [each["order_id"] for each in orders])
    return visit.page(
        "orders.html", like=like, value=value, orders=orders, is_cut=is_cut, shown_max=ORDERS_SHOWN_MAX
    )
