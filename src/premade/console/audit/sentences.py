"""What an event of the record says, as a sentence with links. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from premade.audit.record import Event
from premade.console.audit.search_sql import EventRow
from premade.console.isolated import isolated
from premade.tickets.code import is_order_id, is_ticket_code

SENTENCES: dict[str, tuple[str, str]] = {
    Event.PARTNER_ADDED: ("Partner added", "Partner {partner} was added, on the channel {channel}."),
    Event.PARTNER_CHANGED: (
        "Partner changed",
        "Partner {partner} may hold stock for {reservation_hours_max} hours at most.",
    ),
    Event.PARTNER_RENAMED: ("Partner renamed", "Partner {before} is now named {name}."),
    Event.PARTNER_DISABLED: ("Partner disabled", "Partner {partner} was disabled; none of its keys works."),
    Event.PARTNER_ENABLED: ("Partner enabled", "Partner {partner} was enabled again."),
    Event.KEY_CREATED: ("API key made", "API key {key_id} was made for {partner}: {permissions}."),
    Event.KEY_ROTATED: (
        "API key rotated",
        "API key {key_id} of {partner} takes the place of {rotated_from}.",
    ),
    Event.KEY_REVOKED: ("API key revoked", "API key {key_id} of {partner} was revoked."),
    Event.PRODUCT_ADDED: ("Product added", "Product {product_id}, {name}, was added at {price} {currency}."),
    Event.PRODUCT_CHANGED: ("Product changed", "Product {product_id} is now {name}, at {price} {currency}."),
    Event.ALLOTMENT_SET: (
        "Stock set",
        "The channel {channel} has {allotted} tickets of product {product_id} in all; {available} were left.",
    ),
    Event.BATCH_GENERATED: ("Batch made", "Batch {batch} of {partner} was made: {quantity} tickets."),
    Event.BATCH_GENERATION_BEGUN: (
        "Making of a batch begun",
        "Batch {batch} of {partner} was begun: {quantity} tickets.",
    ),
    Event.BATCH_GENERATION_STOPPED: (
        "Making of a batch stopped",
        "The making of batch {batch} was stopped after {made} tickets; {unmade} went back to the stock.",
    ),
    Event.BATCH_CANCELLATION_BEGUN: (
        "Cancellation of a batch begun",
        "The cancelling of what is unused of batch {batch} was begun.",
    ),
    Event.BATCH_CANCELLED: ("Batch cancelled", "{cancelled} unused tickets of batch {batch} were cancelled."),
    Event.BATCH_EXPORTED: (
        "Batch exported",
        "Tickets of batch {batch} of {partner} were exported: {format}.",
    ),
    Event.TICKET_ACTIVATED: ("Ticket sold", "Ticket {ticket} was sold by order {order}."),
    Event.TICKET_REDEEMED: (
        "Ticket used",
        "{uses} of {function_code} of ticket {ticket} used at {device_id}.",
    ),
    Event.REDEMPTION_CONFLICT: (
        "Conflict at the gate",
        "{device_id} let in ticket {ticket} while it was away, which was no longer good: {reason}.",
    ),
    Event.TICKET_CANCELLED: ("Ticket cancelled", "Ticket {ticket} was cancelled."),
    Event.TICKET_REISSUED: ("Ticket reissued", "Ticket {ticket} got a new QR, issue {issue_number}."),
    Event.TICKET_EXPIRED: (
        "Ticket expired",
        "Ticket {ticket} was not sold until {valid_until}, and expired.",
    ),
    Event.TICKET_QR_VIEWED: ("QR viewed", "The QR of ticket {ticket} was viewed."),
    Event.TICKET_CUSTOMER_VIEWED: ("Customer viewed", "The customer of order {order} was viewed."),
    Event.RESERVATION_MADE: (
        "Reservation made",
        "{partner} holds {quantity} of product {product_id} by {reservation_id}.",
    ),
    Event.RESERVATION_RELEASED: (
        "Reservation released",
        "{partner} gave back {held} of product {product_id}, held by {reservation_id}.",
    ),
    Event.RESERVATION_EXPIRED: (
        "Reservation expired",
        "{reservation_id} of {partner} was over; its {held} of product {product_id} are stock again.",
    ),
    Event.SIGNING_KEY_ADDED: ("Signing key added", "Signing key {signing_key_id} signs new QRs."),
    Event.DATABASE_RESTORED: (
        "Database restored",
        "The database was restored, copied or promoted ({noticed_by}). New QRs are signed by {signing_key_ids}.",
    ),
    Event.SIGNING_KEY_RETIRED: (
        "Signing key retired",
        "Signing key {signing_key_id} is retired: its QRs are void.",
    ),
    Event.STAFF_ADDED: ("Staff added", "{member} was added, as {role}."),
    Event.STAFF_PASSWORD_SET: ("Password set", "{member} got a new password, and was signed out everywhere."),
    Event.STAFF_ROLE_SET: ("Role set", "{member} has the role {role} now."),
    Event.STAFF_DISABLED: ("Staff disabled", "{member} was disabled, and signed out everywhere."),
    Event.STAFF_ENABLED: ("Staff enabled", "{member} was enabled again."),
    Event.STAFF_SIGNED_IN: ("Signed in", "Signed in."),
    Event.STAFF_SIGNED_OUT: ("Signed out", "Signed out."),
    Event.STAFF_SIGN_IN_REFUSED: ("Sign-in refused", "Somebody tried to sign in as {member}: {refused}."),
}
"""The name of each event, and what one says. Of what an event does not have, the sentence says '?'."""
_WITH_COMMAS_MAX = 10**7
"""A larger number is an id."""
_REFUSED = {
    "wrong": "the password was wrong, or there is nobody of that name",
    "disabled": "the password was right, but they are disabled",
    "too_many": "it failed too often, for a name or from an address",
}


class _Told(dict[str, str]):
    """Each value escaped."""

    def __missing__(self, _name: str) -> str:
        return "?"


def name_of_event(event: str) -> str:
    """For people; one that is not known here keeps its own."""
    return SENTENCES[event][0] if event in SENTENCES else event


def sentence(event: EventRow, partners: Mapping[int, str], staff: Mapping[int, str]) -> Markup:
    """With links to what it is about. `partners` and `staff` are names by id."""
    data, partner_id = event.data, event.partner_id
    shown = {name: _shown(value) for name, value in data.items()}
    if event.event not in SENTENCES:
        rest = Markup(", ").join(
            Markup("{}: {}").format(name.replace("_", " "), isolated(value)) for name, value in shown.items()
        )
        return Markup("{}; {}").format(event.event, rest) if rest else escape(event.event)
    shown |= {
        "partner": "the operator"
        if partner_id is None
        else partners.get(partner_id, f"partner {partner_id}"),
        "member": staff.get(data.get("staff_id", 0), "a name that nobody has"),
        "refused": _REFUSED.get(data.get("reason", ""), "?"),
        "ticket": _ticket(event.ticket_code),
        "order": _order(event.order_id),
        "batch": _batch(partner_id, event.batch_id),
    }
    late = ""
    if "days_late" in data:
        late = " The device uploaded the scan {days_late} days after the ticket's last day."
    told = _Told({name: isolated(value) for name, value in shown.items()})
    # The words are ours, and what is put into them is escaped.
    return Markup((SENTENCES[event.event][1] + late).format_map(told))  # noqa: S704


def reason_of(event: EventRow) -> str | None:
    """Why, in the words of whoever did it."""
    reason = event.data.get("reason")
    is_own_words = not event.event.startswith(("staff.", Event.REDEMPTION_CONFLICT))
    return reason if is_own_words and isinstance(reason, str) else None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))  # pyright: ignore[reportUnknownArgumentType]
    return f"{value:,}" if type(value) is int and value < _WITH_COMMAS_MAX else str(value)


def _link(address: str, text: str, kind: str = "") -> Markup:
    return Markup('<a class="{}" href="{}">{}</a>').format(kind, address, text)


def _ticket(code: str | None) -> str:
    # A conflict may be about a code that nobody has.
    if code is None or not is_ticket_code(code):
        return code or "?"
    return _link(f"/console/tickets/{code}", code, "id")


def _order(order_id: str | None) -> str:
    if order_id is None or not is_order_id(order_id):
        return order_id or "?"
    return _link(f"/console/orders/{order_id}", order_id, "id")


def _batch(partner_id: int | None, batch_id: str | None) -> str:
    if partner_id is None or batch_id is None:
        return batch_id or "?"
    return _link(f"/console/batch?{urlencode({'partner': partner_id, 'batch': batch_id})}", batch_id)
