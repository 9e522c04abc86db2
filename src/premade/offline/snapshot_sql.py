"""Statements of `snapshot.sql`, and their rows."""

from dataclasses import dataclass

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class Moment:
    incarnation: str
    oldest_open: int
    first_unseen: int
    event_id: int
    event_digest: str


@dataclass(slots=True)
class CursorState:
    event_digest: str
    is_archived: bool


@dataclass(slots=True)
class SnapshotTicket:
    ticket_code: str
    status: str
    issue_number: int
    entitlements: str
    usable_until: str | None


@statement
def moment() -> Moment: ...


@statement
def cursor_state(*, event_id: int, oldest_open: str) -> CursorState: ...


@statement
def active_tickets(*, partner_id: int | None, is_test: bool) -> SnapshotTicket: ...


@statement
def changed_tickets(
    *, since: str, until: str, partner_id: int | None, event_id: int, is_test: bool
) -> SnapshotTicket: ...
