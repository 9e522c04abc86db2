"""The audit page: a search by ticket, order, batch, partner, actor, time and event."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup
from starlette.responses import Response

from premade.audit.actors import COMMAND, STAFF, WORDS, key_actor, staff_actor
from premade.audit.event import AuditEvent, Subject
from premade.audit.events import CATALOGUE
from premade.batches.batch import checked_batch_id
from premade.console.addresses import HOME
from premade.console.audit.search import EventFilter, EventPage, search_events
from premade.console.audit.search_sql import EventRow
from premade.console.audit.sentences import name_of_event, reason_of, sentence, sentence_of_many
from premade.console.lists import Chip, ListAddress, Pager
from premade.console.routing import Page, StaffRequest
from premade.orders.lookup import OrderUnknown, order_of
from premade.orders.owner import partner_of_order, partner_of_ticket
from premade.partners.partner import partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.staff.member import list_staff
from premade.staff.role import Right
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _
from premade.tickets.code import fold_order_id, fold_ticket_code
from premade.tickets.lookup import TicketUnknown
from premade.values.operator_input import plain_number

_OF_ANOTHER = {
    "ticket": lazy("That ticket is another partner's"),
    "order": lazy("That order is another partner's"),
}
AUDIT = f"{HOME}/audit"
FIELDS = {
    "ticket": lazy("Ticket code"),
    "order": lazy("Order id"),
    "partner": lazy("Partner"),
    "batch": lazy("Batch id"),
    "who": lazy("Who"),
    "event": lazy("What"),
    "start": lazy("From"),
    "before": lazy("Before"),
}
"""Labels of the filters by name."""
# An actor as the page shows it or as the record stores it. The word alone means any command.
_COMMAND_BY = re.compile(rf"{COMMAND}(?:\s+by\s+|\s*:\s*)(\S.*)", re.IGNORECASE)
_KEY = re.compile(r"(?:api\s*)?key[\s:#]*([0-9]{1,18})", re.IGNORECASE)
EVENT_HEADINGS = {
    Subject.PARTNER: lazy("Partners and keys"),
    Subject.KEY: lazy("Partners and keys"),
    Subject.PRODUCT: lazy("Stock"),
    Subject.ALLOTMENT: lazy("Stock"),
    Subject.RESERVATION: lazy("Stock"),
    Subject.TICKET: lazy("Tickets"),
    Subject.ORDER: lazy("Tickets"),
    Subject.BATCH: lazy("Batches"),
    Subject.SIGNING_KEY: lazy("Partners and keys"),
    Subject.DATABASE: lazy("Others"),
    Subject.STAFF: lazy("Staff"),
    Subject.GATE_DEVICE: lazy("Gate devices"),
}


def _events_by_heading() -> dict[Text, list[type[AuditEvent]]]:
    found: dict[Text, list[type[AuditEvent]]] = {}
    for event in CATALOGUE.values():
        found.setdefault(EVENT_HEADINGS[event.kind.subject], []).append(event)
    return found


@dataclass
class _Reading:
    """The filter that was read from the form, and the errors by field."""

    event_filter: EventFilter = field(default_factory=EventFilter)
    wrong: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class _AuditPage:
    typed: dict[str, str]
    wrong: dict[str, str]
    events: "list[_ShownEvent]"
    partners: dict[int, PartnerRow]
    staff: list[str]
    events_by_heading: dict[Text, list[type[AuditEvent]]]
    actors: tuple[str, ...]
    pager: Pager
    chips: list[Chip]
    back_to: datetime | None
    archived_before: datetime | None


async def _audit(request: StaffRequest) -> Response:
    typed = {name: request.query(name) for name in FIELDS}
    staff = {each.staff_id: each.name for each in await list_staff(request.database)}
    partners = await partners_by_id(request.database)
    reading = await _read(request, typed, staff)
    found: EventPage | None = None
    if not reading.wrong:
        found = await search_events(request.database, reading.event_filter, request.query("cursor") or None)
    following = found.following if found else None
    names = {partner_id: partner.name for partner_id, partner in partners.items()}
    address = ListAddress(AUDIT, typed)
    return request.page(
        "audit/audit.html",
        _AuditPage(
            typed=typed,
            wrong=reading.wrong,
            events=[_shown(group, names, staff) for group in (found.groups if found else [])],
            partners=partners,
            staff=sorted(staff.values()),
            events_by_heading=_events_by_heading(),
            actors=WORDS,
            pager=address.pager(request, following),
            chips=_chips(address, typed, names),
            back_to=found.back_to if found else None,
            archived_before=found.archived_before if found and not following else None,
        ),
        400 if reading.wrong else 200,
    )


def _chips(address: ListAddress, typed: Mapping[str, str], partners: Mapping[int, str]) -> list[Chip]:
    """Return a chip for each filter that applies."""
    shown = {
        **typed,
        "partner": partners.get(plain_number(typed["partner"]) or 0, typed["partner"]),
        "event": name_of_event(typed["event"]) if typed["event"] in CATALOGUE else typed["event"],
    }
    return [address.chip(name, FIELDS[name], shown[name]) for name in FIELDS if typed[name]]


@dataclass(frozen=True)
class _ShownEvent:
    at: datetime
    name: str
    sentence: Markup
    reason: str | None
    who: str | None
    """Name of the member of staff, or None for other actors."""
    actor: str
    """The actor in the record: `key:12`."""
    partner: str | None


def _shown(group: list[EventRow], partners: dict[int, str], staff: dict[int, str]) -> _ShownEvent:
    event = group[0]
    kind, _colon, number = event.actor.partition(":")
    return _ShownEvent(
        at=event.occurred_at,
        name=name_of_event(event.event),
        sentence=sentence(event, partners, staff) if len(group) == 1 else sentence_of_many(group),
        reason=reason_of(event),
        who=staff.get(plain_number(number) or 0) if kind == STAFF else None,
        actor=event.actor,
        partner=partners.get(event.partner_id or 0),
    )


async def _read(request: StaffRequest, typed: dict[str, str], staff: dict[int, str]) -> _Reading:
    reading = _Reading()
    _read_record(reading, typed)
    _read_actor(reading, typed["who"], staff)
    for name in ("start", "before"):
        if typed[name]:
            moment = _moment(typed[name], request.runtime.zone)
            if moment is None:
                reading.wrong[name] = _("Must be a day and a time, such as 2026-03-31T18:00")
            reading.event_filter = replace(reading.event_filter, **{name: moment})
    try:
        await _read_ticket_and_order(request, reading, typed)
    except TicketUnknown as refusal:
        reading.wrong["ticket"] = refusal.detail
    except OrderUnknown as refusal:
        reading.wrong["order"] = refusal.detail
    return reading


def _read_record(reading: _Reading, typed: dict[str, str]) -> None:
    """Read partner, batch and event."""
    if typed["partner"]:
        reading.event_filter = replace(reading.event_filter, partner_id=plain_number(typed["partner"]))
        if reading.event_filter.partner_id is None:
            reading.wrong["partner"] = _("Choose a partner")
    if typed["batch"]:
        try:
            checked_batch_id(typed["batch"])
        except ValueError as error:
            reading.wrong["batch"] = str(error)
        if not reading.wrong.get("batch") and not typed["partner"]:
            reading.wrong["batch"] = _("Choose the partner too: several may have a batch of one id")
        reading.event_filter = replace(reading.event_filter, batch_id=typed["batch"])
    if typed["event"]:
        if typed["event"] in CATALOGUE:
            reading.event_filter = replace(reading.event_filter, event=CATALOGUE[typed["event"]])
        else:
            reading.wrong["event"] = _("Choose an event")


def _read_actor(reading: _Reading, who: str, staff: dict[int, str]) -> None:
    if not who:
        return
    actor = actor_of(who, staff)
    if actor is None:
        reading.wrong["who"] = _(
            "Must be a name of the staff, 'API key 12', 'command' or 'command by mei', 'service', 'clock' for what "
            "ended by its time, or 'console' for one not signed in"
        )
        return
    reading.event_filter = replace(reading.event_filter, actor=actor)


def actor_of(who: str, staff: dict[int, str]) -> str | None:
    """Return the actor that the typed text means, or None. `staff` are names by id."""
    ids = {name: staff_id for staff_id, name in staff.items()}
    if who.lower() in ids:
        return staff_actor(ids[who.lower()])
    if by := _COMMAND_BY.fullmatch(who):
        return f"{COMMAND}:{by[1]}"
    if who.lower() in WORDS:
        return who.lower()
    key = _KEY.fullmatch(who)
    return key_actor(int(key[1])) if key else None


async def _read_ticket_and_order(request: StaffRequest, reading: _Reading, typed: dict[str, str]) -> None:
    """Read ticket and order. Either also names the partner.

    Raises:
        TicketUnknown: there is no such ticket.
        OrderUnknown: there is no such order.
    """
    if typed["ticket"]:
        code = fold_ticket_code(typed["ticket"]) or typed["ticket"]
        owner = await partner_of_ticket(request.database, code)
        _of_partner(reading, "ticket", owner.partner_id, (code,))
    if typed["order"]:
        order_id = fold_order_id(typed["order"]) or typed["order"]
        owner = await partner_of_order(request.database, order_id)
        order = await order_of(request.database, owner.partner_id, order_id)
        codes = tuple(order.ticket_codes)
        if reading.event_filter.tickets is not None:
            codes = tuple(code for code in codes if code in reading.event_filter.tickets)
        _of_partner(reading, "order", owner.partner_id, codes)
        reading.event_filter = replace(reading.event_filter, order_id=order_id)


def _of_partner(reading: _Reading, name: str, partner_id: int, codes: tuple[str, ...]) -> None:
    if reading.event_filter.partner_id not in {None, partner_id}:
        reading.wrong[name] = str(_OF_ANOTHER[name])
    reading.event_filter = replace(reading.event_filter, partner_id=partner_id, tickets=codes)


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return a time of the operator's zone, or None if it is malformed or outside the years of any event."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        # Well inside the calendar, so that adding a time zone or SLACK cannot overflow.
        return moment.astimezone(UTC) if 1970 <= moment.year <= 9000 else None  # noqa: PLR2004
    except (ValueError, OverflowError):
        return None


PAGES = [Page(AUDIT, _audit, right=Right.SEE_AUDIT)]
