"""Base of audit events. The events themselves are in the catalogue, `events.py`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from functools import cache
from string import Formatter
from typing import Any, ClassVar, Generic, Self, TypeVar, dataclass_transform

import orjson
from pydantic import TypeAdapter, ValidationError

E = TypeVar("E", bound="AuditEvent")
E_co = TypeVar("E_co", bound="AuditEvent", covariant=True)
COLUMNS = frozenset({"partner", "ticket", "order", "batch"})
"""Placeholders of a sentence that stand for columns of `audit_events`, which every event has."""


class Audience(StrEnum):
    """Who may see an event."""

    PARTNER = "partner"
    """The partner that the event belongs to, and the operator."""
    OPERATOR = "operator"
    """Only staff who may search the audit record."""


class Subject(StrEnum):
    """Subject of an event: the first part of its name."""

    PARTNER = "partner"
    KEY = "key"
    PRODUCT = "product"
    ALLOTMENT = "allotment"
    RESERVATION = "reservation"
    BATCH = "batch"
    TICKET = "ticket"
    ORDER = "order"
    SIGNING_KEY = "signing_key"
    DATABASE = "database"
    STAFF = "staff"
    GATE_DEVICE = "gate_device"


class EventName(str, Generic[E_co]):
    """The name of an event as the record has it. Its type names the class of the event."""

    __slots__ = ()


@dataclass(frozen=True)
class Kind:
    """Properties that all events of a class have in common."""

    name: str
    title: str
    """For people: `Ticket activated`."""
    sentence: str
    """For people. A placeholder is a field that every event of the class has, or one of COLUMNS."""
    seen_by: Audience
    also: Mapping[str, str]
    """A further sentence for an optional field, appended if the event has the field."""

    @property
    def subject(self) -> Subject:
        """Return the subject of the event."""
        return Subject(self.name.partition(".")[0])

    @property
    def title_of_subject(self) -> str:
        """The title where the subject is clear from the place: `Activated`."""
        words = self.title.split()
        return " ".join(words[1:]).capitalize() if words[0].lower() == self.subject else self.title

    def is_seen_by(self, audience: Audience) -> bool:
        """Return whether the audience may see these events. The operator sees all."""
        return audience in {Audience.OPERATOR, self.seen_by}


class _Name:
    def __get__(self, _event: object, owner: type[E]) -> EventName[E]:
        return EventName(owner.kind.name)


class AuditEvent:
    """One event. A subclass is a frozen dataclass, declared with `Catalogue.event`; its fields are the members of the JSON `data`.

    A field without a default is in the JSON of every event, perhaps as null. A field with the default None can be absent.
    """

    kind: ClassVar[Kind]
    event_name = _Name()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Return the event that was stored with this JSON. Members that the class does not know are ignored.

        Raises:
            ValueError: the JSON does not fit the class.
        """
        return _reader(cls).validate_python(data)

    @classmethod
    def fields(cls) -> dict[str, Field[Any]]:
        """Return the fields by name."""
        return {field.name: field for field in fields(cls)}  # pyright: ignore[reportArgumentType]  (a dataclass)

    @classmethod
    def optional(cls) -> set[str]:
        """Return the names of the fields that can be absent from the JSON."""
        return {name for name, field in cls.fields().items() if field.default is not MISSING}

    def values(self) -> dict[str, Any]:
        """Return the values of all fields by name."""
        return {name: getattr(self, name) for name in self.fields()}

    def json(self) -> str:
        """Return the JSON to store."""
        optional = self.optional()
        data = {
            name: value for name, value in self.values().items() if value is not None or name not in optional
        }
        return orjson.dumps(data).decode()

    def sentences(self) -> list[str]:
        """Return the sentence with its placeholders, and a further one for each optional field that this event has."""
        return [
            self.kind.sentence,
            *(text for name, text in self.kind.also.items() if getattr(self, name) is not None),
        ]


@dataclass(frozen=True, kw_only=True)
class ReasonGiven(AuditEvent):
    """An event with a reason in the words of its actor."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class FromClient(AuditEvent):
    """An event that matters for security. If a request caused it, it has the address of the client."""

    client_ip: str | None = None
    """IP address of the client; of IPv6, its network of 64 bits. `record` sets it."""


_FROM = {"client_ip": "From {client_ip}."}


@cache
def _reader(kind: type[E]) -> TypeAdapter[E]:
    return TypeAdapter(kind)


def _placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


class EventMismatch(Exception):
    """The declaration of an event is wrong; the message says how."""


class Catalogue(Mapping[str, type[AuditEvent]]):
    """The classes of events by name, in the order of their declaration."""

    def __init__(self) -> None:
        self._classes: dict[str, type[AuditEvent]] = {}

    def __getitem__(self, name: str) -> type[AuditEvent]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def event(
        self,
        name: str,
        title: str,
        sentence: str,
        *,
        seen_by: Audience = Audience.OPERATOR,
        also: Mapping[str, str] | None = None,
    ) -> Callable[[type[E]], type[E]]:
        """Make the class a frozen dataclass and register it as an event. The parameters are those of `Kind`.

        Raises:
            EventMismatch: the name is taken or has no known subject, or a sentence names what is no field.
        """

        def declare(declared: type[E]) -> type[E]:
            event_class = dataclass(frozen=True, kw_only=True)(declared)
            further = dict(also or {}) | (_FROM if issubclass(event_class, FromClient) else {})
            event_class.kind = Kind(name, title, sentence, seen_by, further)
            self._add(event_class)
            return event_class

        return declare

    def _add(self, declared: type[AuditEvent]) -> None:
        kind = declared.kind
        if kind.name in self._classes:
            message = f"{kind.name} is declared twice"
            raise EventMismatch(message)
        if kind.name.partition(".")[0] not in set(Subject):
            message = f"{kind.name} is about nothing in Subject"
            raise EventMismatch(message)
        named = _placeholders(kind.sentence).union(*map(_placeholders, kind.also.values()), kind.also)
        if unknown := named - declared.fields().keys() - COLUMNS:
            message = f"{declared.__name__}: its sentences name {sorted(unknown)}, which are no fields of it"
            raise EventMismatch(message)
        if absent := _placeholders(kind.sentence) & declared.optional():
            message = f"{declared.__name__}: its sentence names {sorted(absent)}, which can be absent"
            raise EventMismatch(message)
        self._classes[kind.name] = declared

    def select(self, subject: Subject, seen_by: Audience) -> list[type[AuditEvent]]:
        """Return the classes of this subject that the audience may see."""
        return [
            event_class
            for event_class in self.values()
            if event_class.kind.subject is subject and event_class.kind.is_seen_by(seen_by)
        ]

    def read(self, name: str, data: Mapping[str, Any]) -> AuditEvent | None:
        """Return a stored event. None if no class has this name or the JSON does not fit its class."""
        try:
            return self._classes[name].of(data) if name in self._classes else None
        except ValidationError:
            return None
