"""Search in the audit record, newest first. A page reads a limited number of events, however long the record is.

The record has no index of time, because every sale would pay for it. Its ids grow with time, so a binary search finds the
first id of a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple, TypedDict

from premade.audit.actors import COMMAND, KEY
from premade.audit.event import AuditEvent, Subject
from premade.audit.events import CATALOGUE, TicketRedeemed
from premade.console.audit import search_sql as sql
from premade.console.audit.search_sql import EventRow
from premade.postgres.database import Database, Transaction
from premade.postgres.keyset import ROWS_READ_MAX, Keyset

EVENTS_A_PAGE = 50
"""Rows of a page. Equal events of many tickets of a batch are one row."""
EVENTS_READ_MAX = 500
SLACK = timedelta(seconds=15)
"""An event is written some seconds after its time, and the clocks of several machines differ."""
AROUND = timedelta(days=1)
"""The search for the first id of a time reads the partitions of so long before and after it."""
ACTORS_MAX = 1_000
"""Maximum number of actors (staff and system users) that a search for commands reads."""


class _EventKey(NamedTuple):
    event_id: int


_BY_ID = Keyset("audit", _EventKey)
_NO_END = 2**63 - 1
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class EventFilter:
    """Filter of the audit record. None: any."""

    partner_id: int | None = None
    tickets: tuple[str, ...] | None = None
    """Only events of these tickets, which are all of one partner."""
    order_id: str | None = None
    batch_id: str | None = None
    actor: str | None = None
    event: type[AuditEvent] | None = None
    start: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class EventPage:
    """A page of events, and the cursor of the next."""

    groups: list[list[EventRow]]
    """Events that are one row of the page: one, or the same change of many tickets of a batch."""
    following: str | None
    back_to: datetime | None
    """Time of the oldest event that the search has read, if there is a next page."""
    archived_before: datetime | None
    """Events before this time can be in the archive, which the search does not read."""

    @property
    def events(self) -> list[EventRow]:
        """The events of all rows."""
        return [event for group in self.groups for event in group]


class _Parameters(TypedDict):
    """The parameters that all statements of the search have."""

    partner_id: int | None
    actors: list[str] | None
    event: str | None
    start: datetime | None
    before: datetime | None
    after_event_id: int | None
    from_event_id: int
    before_event_id: int
    rows: int


async def search_events(database: Database, event_filter: EventFilter, cursor: str | None) -> EventPage:
    """Return a page of the events that match.

    A scan without network is recorded later than it happened. `start` and `before` are about the time of recording.

    Raises:
        Invalid: the cursor is not one of these pages.
    """
    (after_event_id,) = _BY_ID.after(cursor) or (None,)
    async with database.single_read() as tx:
        start, before = event_filter.start, event_filter.before
        parameters = _Parameters(
            after_event_id=after_event_id,
            partner_id=event_filter.partner_id,
            actors=await _actors(tx, event_filter.actor),
            event=event_filter.event.event_name if event_filter.event else None,
            start=start,
            before=before,
            from_event_id=0 if start is None else await _lowest_id_since(tx, start - SLACK),
            before_event_id=_NO_END if before is None else await _end_of_ids_before(tx, before + SLACK),
            rows=EVENTS_READ_MAX + 1,
        )
        rows = await _rows(tx, event_filter, parameters)
        archived_before = await tx.fetch_one(sql.archived_before)
    groups = _grouped(rows[:EVENTS_READ_MAX])[:EVENTS_A_PAGE]
    # The last row may only say how far the search has read. It is not on the page.
    events, following = _BY_ID.page(rows, sum(map(len, groups)))
    back_to = _recorded_at(rows[-1]) if following and rows else None
    return EventPage(_grouped(events), following, back_to, archived_before)


def _grouped(rows: Sequence[EventRow]) -> list[list[EventRow]]:
    """Return the events in their order. Neighbours that are the same change of tickets of one batch are together."""

    def change(row: EventRow) -> tuple[object, ...]:
        if row.ticket_code is None or row.batch_id is None:
            return (row.event_id,)
        return (row.event, row.partner_id, row.batch_id, row.actor, row.data.get("reason"))

    return [list(together) for _, together in groupby(rows, change)]


async def _rows(tx: Transaction, event_filter: EventFilter, parameters: _Parameters) -> Sequence[EventRow]:
    """Run the statement whose index fits the filter."""
    if event_filter.tickets is not None:
        return await tx.fetch_all(
            sql.events_of_tickets,
            **parameters,
            ticket_codes=list(event_filter.tickets),
            order_id=event_filter.order_id,
        )
    if event_filter.batch_id is not None:
        return await tx.fetch_all(sql.events_of_batch, **parameters, batch_id=event_filter.batch_id)
    actor, event = event_filter.actor, event_filter.event
    if actor is not None and not actor.startswith(f"{KEY}:"):
        return await tx.fetch_all(sql.events_of_actors, **parameters, rows_read_max=ROWS_READ_MAX)
    if event is not None and event.kind.subject is not Subject.TICKET:
        return await tx.fetch_all(sql.events_of_no_ticket, **parameters, rows_read_max=ROWS_READ_MAX)
    return await tx.fetch_all(sql.all_events, **parameters, rows_read_max=ROWS_READ_MAX)


async def _actors(tx: Transaction, actor: str | None) -> list[str] | None:
    """Return the actors that a search means: "command" stands for every system user, known or not."""
    if actor is None:
        return None
    if actor != COMMAND:
        return [actor]
    actors = await tx.fetch_all(sql.actors_but_keys, actors_max=ACTORS_MAX)
    return [actor, *(each for each in actors if each.startswith(f"{COMMAND}:"))]


async def _id_after_earlier(tx: Transaction, moment: datetime, partitions: sql.Partitions) -> int:
    """Return the id after the last event of the partitions that was recorded before the moment, or 0 if there is none."""
    bounds = {"starts_at": partitions.starts_at, "ends_at": partitions.ends_at}
    newest = await tx.fetch_one(sql.newest_event, **bounds)
    low, high = 0, 0 if newest is None else newest + 1
    while low < high:
        middle = (low + high) // 2
        found = await tx.fetch_one(sql.recorded_at, event_id=middle, **bounds)
        if found is None or found.recorded_at >= moment:
            high = middle
        else:
            low = found.event_id + 1
    return low


async def _lowest_id_since(tx: Transaction, moment: datetime) -> int:
    """Return an id so that all events that were recorded at the moment or later have this id or a higher one."""
    partitions = await tx.fetch_one(sql.partitions_around, moment=moment, around=AROUND)
    return 0 if partitions is None else await _id_after_earlier(tx, moment, partitions)


async def _end_of_ids_before(tx: Transaction, moment: datetime) -> int:
    """Return an id so that all events that were recorded before the moment have lower ids.

    It is the first id of an event that happened about that time and was recorded later. An event of a scan without network can
    have happened in an earlier partition, and have an id between.
    """
    partitions = await tx.fetch_one(sql.partitions_around, moment=moment, around=AROUND)
    if partitions is None:
        return _NO_END
    low = await _id_after_earlier(tx, moment, partitions)
    for ends_at in (partitions.ends_at, _END_OF_TIME):
        found = await tx.fetch_one(
            sql.recorded_at, event_id=low, starts_at=partitions.starts_at, ends_at=ends_at
        )
        if found is not None:
            return found.event_id
    return _NO_END


def _recorded_at(event: EventRow) -> datetime:
    stored = CATALOGUE.read(event.event, event.data)
    synced_at = stored.synced_at if isinstance(stored, TicketRedeemed) else None
    return synced_at or event.occurred_at
