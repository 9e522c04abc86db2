"""Snapshots of the tickets that a gate may admit without network, as JSON lines: all, or the changes since a cursor.

A snapshot shows the database at one moment. Its cursor names the oldest transaction that had not ended. The changes since a
cursor are the tickets named by audit events of that transaction or a later one, in their current state. So a late commit
is in the next snapshot, and a ticket that two snapshots contain does no harm.
"""

import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import orjson

from premade.offline import snapshot_sql as sql
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, LongRead, Transaction
from premade.runtime.clock import Runtime, rfc3339
from premade.runtime.errors import FieldError, Invalid, Unavailable
from premade.runtime.slots import Lane, LaneLimits
from premade.texts.fields import field_text
from premade.tickets.ticket import Status, uses_of

FULL, CHANGES = "full", "changes"
READ_AT_ONCE_MAX = 1
"""Full snapshots that a process reads at once for partners' gates, and as many for the operator's. Those of changes have
as many again. Each read holds a connection.
"""
READ_WAIT_SECONDS_MAX = 10.0
"""Maximum wait for a turn to read the database."""
OF_PARTNER_MAX = 16
AT_ONCE_MAX = 48
"""Snapshots that a process sends at once: to gates of one partner, and to all partners. The operator has as many."""
CHANGES_TRANSACTIONS_MAX = 2_000_000
"""Beyond this number, a full snapshot is faster than the changes."""
CURSOR_CHARACTERS_MAX = 200
LIVE, TEST = "live", "test"
_XID_MAX = 2**63 - 1
_EVENT_ID_MAX = 2**63 - 1
_MEMBERS_OF_EARLIER_CURSORS = 3


class SnapshotsBusy(Unavailable):
    """The process has reached its limit of simultaneous snapshots."""

    code = "SNAPSHOTS_BUSY"
    retry_after_seconds = 10


@dataclass(frozen=True)
class Cursor:
    """The position of a device in the changes of some tickets.

    `of`: the partner; LIVE or TEST for the tickets of all such partners. `incarnation`: the unbroken run of the database.
    `event_id`: the newest audit event of the device's snapshot, or 0. `event_digest`: digest of its content, since another
    event may have the same id after an undetected restore.
    """

    incarnation: str
    of: int | str
    oldest_open: int
    event_id: int
    event_digest: str

    def __str__(self) -> str:
        """Return the cursor as text: base64url, opaque to devices."""
        members = [self.incarnation, self.of, self.oldest_open, self.event_id, self.event_digest]
        return base64.urlsafe_b64encode(orjson.dumps(members)).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Return the cursor of a text. Raises Invalid if the text is not a cursor."""
        try:
            if len(text) > CURSOR_CHARACTERS_MAX:
                raise ValueError  # noqa: TRY301
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            # Cursors of earlier versions name no event and no incarnation.
            members: list[Any] = orjson.loads(raw)
            if len(members) == _MEMBERS_OF_EARLIER_CURSORS:
                members = members + [0, ""]  # noqa: RUF005  (a list of anything)
            incarnation, of, oldest_open, event_id, event_digest = members
            numbers_are_good = all(type(number) is int for number in (oldest_open, event_id))
            texts_are_good = isinstance(incarnation, str) and isinstance(event_digest, str)
            if not (numbers_are_good and texts_are_good):
                raise ValueError  # noqa: TRY301
            if not (0 < oldest_open <= _XID_MAX and 0 <= event_id <= _EVENT_ID_MAX):
                raise ValueError  # noqa: TRY301
            return cls(incarnation, of, oldest_open, event_id, event_digest)
        except (ValueError, TypeError, binascii.Error):
            raise Invalid([FieldError("query#/since", field_text("gate.since"))]) from None


LIMITS = LaneLimits(AT_ONCE_MAX, READ_AT_ONCE_MAX, READ_WAIT_SECONDS_MAX, SnapshotsBusy)


class Snapshots:
    """Snapshots for gates, within the limits of this process."""

    def __init__(self, database: Database, runtime: Runtime, limits: LaneLimits = LIMITS) -> None:
        self._database = database
        self._runtime = runtime
        self._of_partners = Lane(limits, OF_PARTNER_MAX)
        self._of_operator = Lane(limits, AT_ONCE_MAX)

    def place(self, partner_id: int | None) -> AbstractAsyncContextManager[None]:
        """Take a place for a snapshot of a partner, or of the operator (None), until it is sent. Raises SnapshotsBusy."""
        return self._lane(partner_id).place(partner_id)

    def _lane(self, partner_id: int | None) -> Lane:
        return self._of_operator if partner_id is None else self._of_partners

    async def lines(self, caller: GateCaller, since: str | None) -> AsyncGenerator[bytes]:
        """Yield the snapshot in pieces of whole lines.

        It contains the tickets of a partner; for the operator's gate those of all live partners, in test mode of all test
        partners. It is full without `since`, or if the changes are not available.

        Raises:
            SnapshotsBusy: before the first piece; the process is at its limit.
            Invalid: before the first piece; `since` is not a cursor.
            DatabaseAway: the connection was lost.
            Busy: no connection was free in time.
        """
        cursor = None if since is None else await self._usable(Cursor.read(since), caller)
        for position in (cursor, None):
            async with (
                self._lane(caller.partner_id).read(FULL if position is None else CHANGES),
                _read(self._database, self._runtime, caller, position) as pieces,
            ):
                if pieces is not None:
                    async for piece in pieces:
                        yield piece
                    return

    async def _usable(self, cursor: Cursor, caller: GateCaller) -> Cursor | None:
        """Return the cursor if it is of this database and these tickets, and not too old; otherwise None."""
        async with self._database.single_statement() as tx:
            moment = await tx.fetch_one(sql.moment)
            state = await _state(tx, cursor)
        assert moment is not None
        passed = moment.oldest_open - cursor.oldest_open
        is_ours = (cursor.incarnation, cursor.of) == (moment.incarnation, _tickets_of(caller))
        is_known = cursor.event_digest == state.event_digest and not state.is_archived
        return cursor if is_ours and is_known and 0 <= passed <= CHANGES_TRANSACTIONS_MAX else None


async def _state(tx: Transaction, cursor: Cursor) -> sql.CursorState:
    state = await tx.fetch_one(
        sql.cursor_state, event_id=cursor.event_id, oldest_open=str(cursor.oldest_open)
    )
    assert state is not None
    return state


def _tickets_of(caller: GateCaller) -> int | str:
    """Return whose tickets a cursor is for. With a cursor for others, the snapshot is full."""
    if caller.partner_id is not None:
        return caller.partner_id
    return TEST if caller.is_test else LIVE


@asynccontextmanager
async def _read(
    database: Database, runtime: Runtime, caller: GateCaller, since: Cursor | None
) -> AsyncGenerator[AsyncGenerator[bytes] | None]:
    """Read the snapshot; None if the changes since the cursor are in the archive."""
    # Before the snapshot begins: it contains everything committed before this time.
    made_at = runtime.now()
    async with database.long_read(whole_tables=since is None) as read:
        moment = await read.fetch_one(sql.moment)
        assert moment is not None
        # Once more: a month can leave the database between the check of the cursor and this transaction.
        if since is not None and (await _state(read, since)).is_archived:
            yield None
            return
        head = _Head(
            snapshot=FULL if since is None else CHANGES,
            made_at=rfc3339(made_at),
            time_zone=runtime.zone.key,
            test=caller.is_test,
        )
        next_cursor = Cursor(
            moment.incarnation,
            _tickets_of(caller),
            moment.oldest_open,
            moment.event_id,
            moment.event_digest,
        )
        async with (
            aclosing(_portions(read, caller, since, moment)) as portions,
            aclosing(_pieces(head, portions, next_cursor)) as pieces,
        ):
            yield pieces


def _portions(
    read: LongRead, caller: GateCaller, since: Cursor | None, moment: sql.Moment
) -> AsyncGenerator[list[sql.SnapshotTicket]]:
    if since is None:
        return read.portions(sql.active_tickets, partner_id=caller.partner_id, is_test=caller.is_test)
    return read.portions(
        sql.changed_tickets,
        partner_id=caller.partner_id,
        is_test=caller.is_test,
        since=str(since.oldest_open),
        until=str(moment.first_unseen),
        event_id=since.event_id,
    )


async def _pieces(
    head: "_Head", portions: AsyncGenerator[list[sql.SnapshotTicket]], next_cursor: Cursor
) -> AsyncGenerator[bytes]:
    # The first line goes out with the first tickets, so that an earlier failure is still an error response.
    piece = _line(head)
    tickets = 0
    async for rows in portions:
        yield piece + b"".join([_line(_ticket(row)) for row in rows])
        piece = b""
        tickets += len(rows)
    yield piece + _line(_End(str(next_cursor), tickets))


@dataclass(frozen=True)
class _Head:
    """The first line."""

    snapshot: str
    made_at: str
    time_zone: str
    test: bool


@dataclass(frozen=True)
class _End:
    """The last line."""

    next: str
    tickets: int


class _ListedTicket(TypedDict):
    ticket_code: str
    issue_number: int
    uses: Mapping[str, int]
    usable_until: str | None


class _GoneTicket(TypedDict):
    ticket_code: str
    gone: str


def _line(members: _Head | _End | _ListedTicket | _GoneTicket) -> bytes:
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


def _ticket(row: sql.SnapshotTicket) -> _ListedTicket | _GoneTicket:
    if row.status != Status.ACTIVE:
        return {"ticket_code": row.ticket_code, "gone": row.status}
    return {
        "ticket_code": row.ticket_code,
        "issue_number": row.issue_number,
        "uses": uses_of(row.entitlements),
        "usable_until": row.usable_until,
    }
