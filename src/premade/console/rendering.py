"""Rendering of pages: the templates, their filters and names, and the headers of a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from premade.audit.actors import CLOCK, COMMAND, CONSOLE, KEY, SERVICE, STAFF
from premade.audit.events import CATALOGUE
from premade.batches.batch import BatchStatus
from premade.console.isolated import isolated
from premade.console.layout.icons import icon
from premade.devices.registry import DeviceState
from premade.runtime.clock import Runtime, local_time, rfc3339
from premade.staff.role import Right, Role
from premade.staff.session import Member
from premade.texts import formats
from premade.texts.languages import Choice
from premade.texts.translation import (
    ENGLISH,
    Text,
    current_language,
    lazy,
    translate,
    translate_plural,
)
from premade.texts.translation import gettext as _
from premade.tickets.history import GENERATED
from premade.tickets.ticket import Status
from premade.values import texts
from premade.values.currency import in_full

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Our forms need it: without a referrer, browsers send "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
STATE_NAMES: dict[str, Text] = {
    Status.PRE_GENERATED: lazy("Unused"),
    Status.ACTIVE: lazy("Active"),
    Status.USED: lazy("Used"),
    Status.EXPIRED: lazy("Expired"),
    Status.CANCELLED: lazy("Cancelled"),
    "CONFIRMED": lazy("Confirmed"),
    "PARTLY_CANCELLED": lazy("Partly cancelled"),
    "ISSUED": lazy("Issued"),
    "HELD": lazy("Held"),
    "AVAILABLE": lazy("Available"),
    BatchStatus.MAKING: lazy("Generating"),
    BatchStatus.MADE: lazy("Generated"),
    BatchStatus.STOPPED: lazy("Stopped"),
    "working": lazy("Working"),
    "revoked": lazy("Revoked"),
    "expired": lazy("Expired"),
    DeviceState.APPROVED: lazy("Approved"),
    DeviceState.UNAPPROVED: lazy("Not approved yet"),
    DeviceState.REVOKED: lazy("Revoked"),
}
STATE_NAMES_IN_SENTENCES: dict[str, Text] = {
    Status.PRE_GENERATED: lazy("unused"),
    Status.ACTIVE: lazy("active"),
    Status.USED: lazy("used"),
    Status.EXPIRED: lazy("expired"),
    Status.CANCELLED: lazy("cancelled"),
    "ISSUED": lazy("issued"),
    "HELD": lazy("held"),
    "AVAILABLE": lazy("available"),
}
"""After a number of tickets. Texts of their own: other languages, such as German, have other capitals."""
_ASSETS = {
    "console.css": ("layout", "text/css"),
    "console.js": ("layout", "text/javascript"),
    "icon.svg": ("layout", "image/svg+xml"),
    "batch.js": ("batches", "text/javascript"),
    "leaving.js": ("gate", "text/javascript"),
}
"""Files under /console/assets, with folder and media type. Only these are served."""


@dataclass(frozen=True)
class MenuEntry:
    """A link of the menu, for members with the right (None: all members)."""

    label: Text
    address: str
    right: Right | None
    icon: str


@dataclass(frozen=True)
class Reader:
    """The reader of a page: names that every template has."""

    member: Member | None = None
    section: str | None = None
    """Address of the section that the menu marks."""
    form_token: str = ""


NOBODY = Reader()
ONLY_ENGLISH = Choice(ENGLISH, (ENGLISH,))


class Templates:
    """The templates, in the operator's time zone and the reader's language."""

    def __init__(
        self, runtime: Runtime, menu: Sequence[MenuEntry] = (), languages: Choice = ONLY_ENGLISH
    ) -> None:
        self._runtime = runtime
        self._zone = runtime.zone
        self.languages = languages
        """The languages of the pages. A handler runs in the language of its reader (`console/routing.py`)."""
        environment: Any = Environment(
            # Each template is in the folder of its pages: "stock/product.html".
            loader=PackageLoader("premade.console", "."),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.install_gettext_callables(translate, translate_plural, newstyle=True)
        environment.filters.update(
            {
                "moment": self._moment,
                "minute": self.minute,
                "exact": self._exact,
                "rfc3339": rfc3339,
                "money": in_money,
                "number": formats.number,
                "percent": _percent,
                "days_left": _days_left,
                "day": in_day,
                "state": _state,
                "state_in_sentence": state_in_sentence,
                "translated": translate,
                "bdi": isolated,
                # For titles, options of a list and attributes, which cannot contain <bdi>.
                "isolated": _isolated,
                "event": _event,
                "actor": _actor,
            }
        )
        environment.globals.update(
            BatchStatus=BatchStatus,
            Right=Right,
            Role=Role,
            Status=Status,
            icon=icon,
            current_language=current_language,
            languages=languages.offered,
            link=link,
            menu=menu,
            zone=str(runtime.zone),
        )
        self._environment = environment
        self._text = cache(environment.from_string)

    def page(
        self, template: str, values: "DataclassInstance", status: int = 200, reader: Reader = NOBODY
    ) -> Response:
        """Render a template, named with its folder. The fields of `values` and of `reader` are its names."""
        text = self._environment.get_template(template).render(values_of(reader) | values_of(values))
        return HTMLResponse(text, status, headers={**HEADERS, "Content-Language": current_language().tag})

    def render_text(self, text: str, **context: Any) -> Markup:
        """Render a short template that the code contains, such as the headline of a finding."""
        return Markup(self._text(translate(text)).render(context))  # noqa: S704  (the template escapes its values)

    def _moment(self, moment: datetime | str) -> str:
        """Return `4 Nov, 16:40:12`, in the operator's time zone; with the year if it is another one."""
        return formats.second(self._local(moment), self._runtime.today())

    def minute(self, moment: datetime | str) -> str:
        """Return `4 Nov, 16:40`, in the operator's time zone; with the year if it is another one."""
        return formats.minute(self._local(moment), self._runtime.today())

    def _exact(self, moment: datetime | str) -> str:
        """Return `2025-11-04 16:40:12 Asia/Hong_Kong`, for the title of a shorter time."""
        return f"{self._local(moment):%Y-%m-%d %H:%M:%S} {self._zone}"

    def _local(self, moment: datetime | str) -> datetime:
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return local_time(moment, self._zone)


def values_of(page: "DataclassInstance") -> dict[str, object]:
    """Return the names of a template: the fields of the page's dataclass."""
    return {field.name: getattr(page, field.name) for field in fields(page)}


def link(address: str, text: str) -> Markup:
    """Return a link for the middle of a sentence."""
    return Markup('<a href="{}">{}</a>').format(address, text)


@cache
def assets() -> Mapping[str, tuple[bytes, str]]:
    """Return the files under /console/assets by name: content and type."""
    root = resources.files("premade.console")
    return {name: ((root / folder / name).read_bytes(), kind) for name, (folder, kind) in _ASSETS.items()}


def _isolated(text: object) -> str:
    return texts.isolated(str(text))


def _state(status: str) -> str:
    return str(STATE_NAMES[status])


def state_in_sentence(status: str) -> str:
    """Return the name of a state after a number of tickets: `3 unused`."""
    return str(STATE_NAMES_IN_SENTENCES[status])


def _event(name: str) -> str:
    """Return the title of an event in a ticket's history: `Activated`."""
    return _("Generated") if name == GENERATED else translate(CATALOGUE[name].kind.title_of_subject)


def in_money(amount: Decimal, currency: str) -> str:
    """Return `HK$1,288.00` or `JP¥1,288`."""
    return formats.money(in_full(amount, currency), currency)


def _percent(share: float | None) -> str:
    """Return `4.3%`, or `none` for a share of zero tickets."""
    return _("none") if share is None else formats.percent(share)


def _days_left(days: float) -> str:
    """Return `0.4` or `12`: a decimal only below 10."""
    return formats.decimal(days, 1) if days < 10 else formats.number(days)  # noqa: PLR2004  (a digit)


def in_day(day: date | None) -> str:
    """Return `4 Nov 2025`, or `none`."""
    return _("none") if day is None else formats.day(day)


def _actor(actor: str) -> str:
    """Return an actor of the audit record in words: `API key 12`."""
    kind, number = actor.split(":", 1) if ":" in actor else (actor, "")
    names = {
        KEY: _("API key %(id)s", id=number),
        STAFF: _("staff member %(id)s", id=number),
        COMMAND: _("command by %(user)s", user=number) if number else _("an operator's command"),
        SERVICE: _("the service itself"),
        CLOCK: _("the clock"),
        CONSOLE: _("somebody who was not signed in"),
    }
    return names.get(kind, actor)
