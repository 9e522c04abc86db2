"""Translate PostgreSQL's errors into the product's errors, by SQLSTATE (appendix A of its manual)."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import psycopg

from premade.runtime.errors import Busy, DatabaseAway, DatabaseRestored, RuleBroken

_LOCKED = frozenset({"55P03", "55006", "57014"})
"""Lock not available, object in use, statement timeout. Class 40, conflicts of transactions, is added below."""
_AWAY_CLASSES = frozenset({"08", "25", "53", "54", "55", "57", "58", "72", "F0"})
"""Connection, state of the transaction (read-only, idle for too long), out of disk, memory or connections, limits of the
server, wrong state (recovery), operator's intervention, operating system, snapshot, configuration file."""
_AWAY = frozenset({"0A000", "26000", "42P05", "28000", "28P01", "XX000"})
"""A cached plan for a table that has changed; a prepared statement that is missing or duplicate (a connection pooler); a
role that was just changed; an internal error such as `tuple concurrently updated`. Not XX001 and XX002 (damaged data): a
retry cannot repair them, and somebody must look."""
_UNUSABLE_CLASSES = frozenset({"08", "25", "57"})
_UNUSABLE = frozenset({"0A000", "26000", "42P05", "XX000"})
_REASONS: dict[str, Literal["no_writes", "disk_full", "no_connection"]] = {
    "25006": "no_writes",
    "53100": "disk_full",
    "53300": "no_connection",
}
_PARTITION_NUMBER = re.compile(r"_\d+$")
"""End of the name of a constraint in one part of a spread table, such as `_3`."""
_STATEMENT_ENDED = "57014"
_INCARNATION_NOT_CONFIRMED = "PM001"
_CLOCK_TOO_FAR_AHEAD = "PM002"
"""SQLSTATEs that the product's own functions raise: `current_incarnation`, `take_logical_ms`."""


def is_unusable(error: psycopg.Error | DatabaseAway) -> bool:
    """Return whether to close the connection: its next statement may fail in the same way, another connection may work.

    Examples: the server became read-only (25006), or a prepared statement is no longer valid.
    """
    cause = error.__cause__ if isinstance(error, DatabaseAway) else error
    state = cause.sqlstate or "" if isinstance(cause, psycopg.Error) else ""
    return state != _STATEMENT_ENDED and (state[:2] in _UNUSABLE_CLASSES or state in _UNUSABLE)


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn the driver's errors into RuleBroken, Busy or DatabaseAway. Any other one is a bug in premade: 500."""
    try:
        yield
    except psycopg.IntegrityError as error:
        if error.diag.constraint_name is None:
            raise
        raise RuleBroken(_PARTITION_NUMBER.sub("", error.diag.constraint_name)) from error
    except psycopg.Error as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: psycopg.Error) -> Busy | DatabaseAway | None:
    state = error.sqlstate
    if state == _INCARNATION_NOT_CONFIRMED:
        return DatabaseRestored()
    if state == _CLOCK_TOO_FAR_AHEAD:
        return Busy("codes")
    if state is not None and (state in _LOCKED or state.startswith("40")):
        return Busy("row_locked")
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseAway("no_response")
    if state is not None and (state[:2] in _AWAY_CLASSES or state in _AWAY):
        return DatabaseAway(_REASONS.get(state, "unable"), state)
    return None
