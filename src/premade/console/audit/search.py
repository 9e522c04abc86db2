"""Searching the record of what happened: newest first, and however long it is, a page looks at a bounded part of it.

The record has no index of time, which each sale would pay for. Its ids grow with time, so a time is found by halving.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from premade.audit.actors import COMMAND, KEY
from premade.audit.event import AuditEvent, Subject
from premade.audit.events import CATALOGUE, TicketRedeemed
from premade.console.audit import search_sql as sql
from premade.console.audit.search_sql import EventRow
from premade.postgres.database import Database, Transaction
from premade.postgres.keyset import ROWS_READ_MAX, Keyset

EVENTS_A_PAGE = 50
SLACK = timedelta(seconds=15)
"""An event is written some seconds after the time that it tells, and clocks of several machines differ."""
ACTORS_MAX = 1_000
"""Maximum number of actors (staff and system users) that a search for commands reads."""


class _EventKey(NamedTuple):
    event_id: int


_BY_ID = Keyset("audit", _EventKey)
_NO_END = 2**63 - 1


@dataclass(frozen=True)
class Sought:
    """What is asked for; None: whatever. `tickets`: the events of these alone, all of one partner's."""

    partner_id: int | None = None
    tickets: tuple[str, ...] | None = None
    order_id: str | None = None
    batch_id: str | None = None
    actor: str | None = None
    event: type[AuditEvent] | None = None
    start: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Found:
    """A page of events, and the cursor of the next; `back_to`: when the oldest event was written that it looked at."""

    events: list[EventRow]
    following: str | None
    back_to: datetime | None


async def search_events(database: Database, sought: Sought, cursor: str | None) -> Found:
    """Invalid: no cursor of such a page. A time is that of when an event was recorded: a scan without network happened
    before.
    """
    (after_event_id,) = _BY_ID.after(cursor) or (None,)
    async with database.single_statement() as tx:
        given = {
            "after_event_id": after_event_id,
            "partner_id": sought.partner_id,
            "actors": await _actors(tx, sought.actor),
            "event": sought.event and sought.event.event_name,
            "start": sought.start,
            "before": sought.before,
            "from_event_id": 0 if sought.start is None else await _place_of(tx, sought.start - SLACK),
            "before_event_id": _NO_END
            if sought.before is None
            else await _place_of(tx, sought.before + SLACK),
            "rows": EVENTS_A_PAGE + 1,
        }
        rows = await _rows(tx, sought, given)
    events, following = _BY_ID.page(rows, EVENTS_A_PAGE)
    back_to = _recorded_at(rows[-1]) if following and rows else None
    return Found(events, following, back_to)


async def _rows(tx: Transaction, sought: Sought, given: dict[str, Any]) -> Sequence[EventRow]:
    if sought.tickets is not None:
        given |= {"ticket_codes": list(sought.tickets), "order_id": sought.order_id}
        return await tx.fetch_all(sql.events_of_tickets, **given)
    if sought.batch_id is not None:
        return await tx.fetch_all(sql.events_of_batch, **given, batch_id=sought.batch_id)
    given["rows_read_max"] = ROWS_READ_MAX
    if sought.actor is not None and not sought.actor.startswith(f"{KEY}:"):
        return await tx.fetch_all(sql.events_of_actors, **given)
    if sought.event is not None and sought.event.kind.subject is not Subject.TICKET:
        return await tx.fetch_all(sql.events_of_no_ticket, **given)
    return await tx.fetch_all(sql.all_events, **given)


async def _actors(tx: Transaction, actor: str | None) -> list[str] | None:
    """Return the actors that a search means: "command" stands for every system user, known or not."""
    if actor is None:
        return None
    if actor != COMMAND:
        return [actor]
    actors = await tx.fetch_all(sql.actors_but_keys, actors_max=ACTORS_MAX)
    return [actor, *(each for each in actors if each.startswith(f"{COMMAND}:"))]


async def _place_of(tx: Transaction, moment: datetime) -> int:
    """The first id whose event was recorded at that moment or later; one more than the newest when none was."""
    newest = await tx.fetch_one(sql.newest_event)
    low, high = 0, 1 if newest is None else newest + 1
    while low < high:
        middle = (low + high) // 2
        found = await tx.fetch_one(sql.recorded_at, event_id=middle)
        if found is None or found.recorded_at >= moment:
            high = middle
        else:
            low = found.event_id + 1
    return low


def _recorded_at(event: EventRow) -> datetime:
    stored = CATALOGUE.read(event.event, event.data)
    synced_at = stored.synced_at if isinstance(stored, TicketRedeemed) else None
    return synced_at or event.occurred_at
