"""Events of the audit record as sentences with links. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from premade.audit.event import ReasonGiven
from premade.audit.event_fields import ErasureCause, SignInMethod, SignInRefusal
from premade.audit.events import CATALOGUE
from premade.console.audit.search_sql import EventRow
from premade.console.isolated import isolated
from premade.texts.translation import gettext as _
from premade.texts.translation import ngettext, translate
from premade.tickets.code import is_order_id, is_ticket_code

_WITH_COMMAS_MAX = 10**7
"""A larger number is an id."""


def name_of_event(event: str) -> str:
    """Return the name for people. An unknown event keeps its own name."""
    return translate(CATALOGUE[event].kind.title) if event in CATALOGUE else event


def sentence(row: EventRow, partners: Mapping[int, str], staff: Mapping[int, str]) -> Markup:
    """Return the sentence of an event, with links to its records. `partners` and `staff` are names by id."""
    event = CATALOGUE.read(row.event, row.data)
    if event is None:
        return _unknown(row)
    # 0: the operator, where the tables are spread by partner.
    partner_id = row.partner_id or None
    shown = {
        **{name: _shown(value) for name, value in event.values().items()},
        "partner": _("the operator")
        if partner_id is None
        else partners.get(partner_id) or _("partner %(id)s", id=partner_id),
        "ticket": _ticket(row.ticket_code),
        "order": _order(row.order_id),
        "batch": _batch(partner_id, row.batch_id),
    }
    if "staff_id" in shown:
        shown["staff_id"] = staff.get(event.values()["staff_id"]) or _("an unknown name")
    values = {name: isolated(value) for name, value in shown.items()}
    # The sentences are constants, and the values are escaped.
    return Markup(" ".join(map(translate, event.sentences())).format_map(values))  # noqa: S704


def sentence_of_many(rows: Sequence[EventRow]) -> Markup:
    """Return the sentence of the same change of many tickets of a batch, with a link to the batch."""
    batch = isolated(_batch(rows[0].partner_id or None, rows[0].batch_id))
    text = ngettext(
        "%(num)s ticket of batch %(batch)s.", "%(num)s tickets of batch %(batch)s.", len(rows), batch=batch
    )
    # The sentence is a constant, and the batch is escaped.
    return Markup(text)  # noqa: S704


def _unknown(row: EventRow) -> Markup:
    """Return the name and the values of an event that another version has stored."""
    rest = Markup(", ").join(
        Markup("{}: {}").format(name.replace("_", " "), isolated(_shown(value)))
        for name, value in row.data.items()
    )
    return Markup("{}; {}").format(row.event, rest) if rest else escape(row.event)


def reason_of(row: EventRow) -> str | None:
    """Return the reason that the actor gave, or None."""
    event = CATALOGUE.read(row.event, row.data)
    return event.reason if isinstance(event, ReasonGiven) else None


def _shown(value: Any) -> str:
    if isinstance(value, SignInRefusal | SignInMethod | ErasureCause):
        return translate(value.text)
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
