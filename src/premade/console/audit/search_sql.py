"""Statements of `search.sql`, and their rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class Partitions:
    """Adjoining partitions, by their bounds."""

    starts_at: datetime
    ends_at: datetime


@dataclass(slots=True)
class RecordedAt:
    event_id: int
    recorded_at: datetime


@dataclass(slots=True)
class EventRow:
    event_id: int
    partner_id: int | None
    event: str
    actor: str
    batch_id: str | None
    ticket_code: str | None
    order_id: str | None
    data: dict[str, Any]
    occurred_at: datetime


@dataclass(slots=True)
class ListedEvent(EventRow):
    place: int
    matches: bool


@statement
def partitions_around(*, moment: datetime, around: timedelta) -> Partitions: ...


@statement
def newest_event(*, starts_at: datetime, ends_at: datetime) -> int: ...


@statement
def archived_before() -> datetime | None: ...


@statement
def recorded_at(*, event_id: int, starts_at: datetime, ends_at: datetime) -> RecordedAt: ...


@statement
def all_events(
    *,
    partner_id: int | None,
    actors: list[str] | None,
    event: str | None,
    start: datetime | None,
    before: datetime | None,
    after_event_id: int | None,
    from_event_id: int,
    before_event_id: int,
    rows_read_max: int,
    rows: int,
) -> ListedEvent: ...


@statement
def events_of_no_ticket(
    *,
    partner_id: int | None,
    actors: list[str] | None,
    event: str | None,
    start: datetime | None,
    before: datetime | None,
    after_event_id: int | None,
    from_event_id: int,
    before_event_id: int,
    rows_read_max: int,
    rows: int,
) -> ListedEvent: ...


@statement
def actors_but_keys(*, actors_max: int) -> str: ...


@statement
def events_of_actors(
    *,
    actors: list[str] | None,
    after_event_id: int | None,
    from_event_id: int,
    before_event_id: int,
    rows_read_max: int,
    partner_id: int | None,
    event: str | None,
    start: datetime | None,
    before: datetime | None,
    rows: int,
) -> ListedEvent: ...


@statement
def events_of_batch(
    *,
    partner_id: int | None,
    batch_id: str,
    actors: list[str] | None,
    event: str | None,
    start: datetime | None,
    before: datetime | None,
    after_event_id: int | None,
    from_event_id: int,
    before_event_id: int,
    rows: int,
) -> EventRow: ...


@statement
def events_of_tickets(
    *,
    partner_id: int | None,
    ticket_codes: list[str],
    order_id: str | None,
    actors: list[str] | None,
    event: str | None,
    start: datetime | None,
    before: datetime | None,
    after_event_id: int | None,
    from_event_id: int,
    before_event_id: int,
    rows: int,
) -> EventRow: ...
