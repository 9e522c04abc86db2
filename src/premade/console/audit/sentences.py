"""Events of the audit record as sentences with links. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from premade.audit.record import Event
from premade.console.audit.search_sql import EventRow
from premade.console.isolated import isolated
from premade.tickets.code import is_order_id, is_ticket_code

SENTENCES: dict[str, tuple[str, str]] = {
    Event.PARTNER_ADDED: ("Partner added", "Partner {partner} was added on channel {channel}."),
    Event.PARTNER_CHANGED: (
        "Partner changed",
        "Partner {partner} can reserve stock for at most {reservation_hours_max} hours.",
    ),
    Event.PARTNER_RENAMED: ("Partner renamed", "Partner {before} is now named {name}."),
    Event.PARTNER_DISABLED: ("Partner disabled", "Partner {partner} was disabled. Its keys no longer work."),
    Event.PARTNER_ENABLED: ("Partner enabled", "Partner {partner} was enabled again."),
    Event.KEY_CREATED: ("API key created", "API key {key_id} of {partner} was created: {permissions}."),
    Event.KEY_ROTATED: (
        "API key rotated",
        "API key {key_id} of {partner} replaces key {rotated_from}.",
    ),
    Event.KEY_REVOKED: ("API key revoked", "API key {key_id} of {partner} was revoked."),
    Event.PRODUCT_ADDED: ("Product added", "Product {product_id}, {name}, was added at {price} {currency}."),
    Event.PRODUCT_CHANGED: ("Product changed", "Product {product_id} is now {name}, at {price} {currency}."),
    Event.ALLOTMENT_SET: (
        "Stock set",
        "Channel {channel} has {allotted} tickets of product {product_id} in total. {available} were available.",
    ),
    Event.BATCH_GENERATED: (
        "Batch generated",
        "Batch {batch} of {partner} was generated: {quantity} tickets.",
    ),
    Event.BATCH_GENERATION_BEGUN: (
        "Batch generation started",
        "The generation of batch {batch} of {partner} was started: {quantity} tickets.",
    ),
    Event.BATCH_GENERATION_STOPPED: (
        "Batch generation stopped",
        "The generation of batch {batch} was stopped after {made} tickets. The stock of {unmade} is available again.",
    ),
    Event.BATCH_CANCELLATION_BEGUN: (
        "Batch cancellation started",
        "The cancellation of the unused tickets of batch {batch} was started.",
    ),
    Event.BATCH_CANCELLED: ("Batch cancelled", "{cancelled} unused tickets of batch {batch} were cancelled."),
    Event.BATCH_EXPORTED: (
        "Batch exported",
        "Tickets of batch {batch} of {partner} were exported: {format}.",
    ),
    Event.TICKET_ACTIVATED: ("Ticket activated", "Ticket {ticket} was activated by order {order}."),
    Event.TICKET_REDEEMED: (
        "Ticket redeemed",
        "{uses} of {function_code} of ticket {ticket} redeemed at {device_id}.",
    ),
    Event.REDEMPTION_CONFLICT: (
        "Conflict at the gate",
        "{device_id} admitted ticket {ticket} offline, but the ticket was not valid: {reason}.",
    ),
    Event.TICKET_CANCELLED: ("Ticket cancelled", "Ticket {ticket} was cancelled."),
    Event.TICKET_REISSUED: ("Ticket reissued", "Ticket {ticket} got a new QR, issue {issue_number}."),
    Event.TICKET_EXPIRED: (
        "Ticket expired",
        "Ticket {ticket} was not sold by {valid_until} and expired.",
    ),
    Event.TICKET_QR_VIEWED: ("QR viewed", "The QR of ticket {ticket} was viewed."),
    Event.TICKET_CUSTOMER_VIEWED: ("Customer viewed", "The customer of order {order} was viewed."),
    Event.RESERVATION_MADE: (
        "Reservation made",
        "{partner} reserved {quantity} of product {product_id}: {reservation_id}.",
    ),
    Event.RESERVATION_RELEASED: (
        "Reservation released",
        "{partner} released {held} of product {product_id} from {reservation_id}.",
    ),
    Event.RESERVATION_EXPIRED: (
        "Reservation expired",
        "{reservation_id} of {partner} expired. Its {held} of product {product_id} are available again.",
    ),
    Event.SIGNING_KEY_ADDED: ("Signing key added", "Signing key {signing_key_id} signs new QRs."),
    Event.DATABASE_RESTORED: (
        "Database restored",
        "The database was restored, copied or promoted ({noticed_by}). New QRs are signed by {signing_key_ids}.",
    ),
    Event.SIGNING_KEY_RETIRED: (
        "Signing key retired",
        "Signing key {signing_key_id} is retired. Its QRs are no longer valid.",
    ),
    Event.STAFF_ADDED: ("Staff added", "{member} was added with the role {role}."),
    Event.STAFF_PASSWORD_SET: ("Password set", "{member} got a new password and was signed out everywhere."),
    Event.STAFF_ROLE_SET: ("Role set", "{member} now has the role {role}."),
    Event.STAFF_DISABLED: ("Staff disabled", "{member} was disabled and signed out everywhere."),
    Event.STAFF_ENABLED: ("Staff enabled", "{member} was enabled again."),
    Event.STAFF_SIGNED_IN: ("Signed in", "Signed in."),
    Event.STAFF_SIGNED_OUT: ("Signed out", "Signed out."),
    Event.STAFF_SIGN_IN_REFUSED: ("Sign-in refused", "Somebody tried to sign in as {member}: {refused}."),
}
"""The name of each event and its sentence. A value that an event does not have is shown as "?"."""
_WITH_COMMAS_MAX = 10**7
"""A larger number is an id."""
_REFUSED = {
    "wrong": "the name or the password was wrong",
    "disabled": "the password was right, but the member is disabled",
    "too_many": "too many failed attempts for the name or from the address",
}


class _Values(dict[str, str]):
    """The values of an event, escaped; "?" for one that is missing."""

    def __missing__(self, _name: str) -> str:
        return "?"


def name_of_event(event: str) -> str:
    """Return the name for people. An unknown event keeps its own name."""
    return SENTENCES[event][0] if event in SENTENCES else event


def sentence(event: EventRow, partners: Mapping[int, str], staff: Mapping[int, str]) -> Markup:
    """Return the sentence of an event, with links to its records. `partners` and `staff` are names by id."""
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
        "member": staff.get(data.get("staff_id", 0), "an unknown name"),
        "refused": _REFUSED.get(data.get("reason", ""), "?"),
        "ticket": _ticket(event.ticket_code),
        "order": _order(event.order_id),
        "batch": _batch(partner_id, event.batch_id),
    }
    late = ""
    if "days_late" in data:
        late = " The device uploaded the scan {days_late} days after the ticket's last day."
    values = _Values({name: isolated(value) for name, value in shown.items()})
    # The sentences are constants, and the values are escaped.
    return Markup((SENTENCES[event.event][1] + late).format_map(values))  # noqa: S704


def reason_of(event: EventRow) -> str | None:
    """Return the reason that the actor gave, or None."""
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
    # A conflict may be about a code that does not exist.
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
