"""Translate PostgreSQL's errors into the product's errors, by SQLSTATE (appendix A of its manual)."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from premade.runtime.errors import Busy, DatabaseAway, DatabaseRestored, RuleBroken

_HELD_BY_OTHERS = frozenset({"55P03", "55006", "57014"})
"""Lock not available, object in use, statement timeout. Class 40, conflicts of transactions, is added below."""
_AWAY_CLASSES = frozenset({"08", "25", "53", "54", "55", "57", "58", "72", "F0"})
"""Connection, state of the transaction (read-only, idle for too long), out of disk, memory or connections, limits of the
server, wrong state (recovery), operator's intervention, operating system, snapshot, configuration file."""
_AWAY = frozenset({"0A000", "26000", "42P05", "28000", "28P01", "XX000"})
"""A cached plan for a table that has changed; a prepared statement that is missing or duplicate (a connection pooler); a
role that was just changed; an internal error such as `tuple concurrently updated`. Not XX001 and XX002 (damaged data): a
retry cannot repair them, and somebody must look."""
_SPOILT_CLASSES = frozenset({"08", "25", "57"})
_SPOILT = frozenset({"0A000", "26000", "42P05", "XX000"})
_WHY = {
    "25006": "takes no writes: it is a standby, or read-only",
    "53100": "has no room left on its disk",
    "53300": "has no connection left",
}
_STATEMENT_ENDED = "57014"
_INCARNATION_NOT_CONFIRMED = "PM001"
_CLOCK_TOO_FAR_AHEAD = "PM002"
"""What our own functions raise (`current_incarnation`, `take_logical_ms`)."""


def is_spoilt(error: psycopg.Error | DatabaseAway) -> bool:
    """Return whether to close the connection: its next statement may fail in the same way, another connection may work.

    Examples: the server became read-only (25006), or a prepared statement is no longer valid.
    """
    cause = error.__cause__ if isinstance(error, DatabaseAway) else error
    state = cause.sqlstate or "" if isinstance(cause, psycopg.Error) else ""
    return state != _STATEMENT_ENDED and (state[:2] in _SPOILT_CLASSES or state in _SPOILT)


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn the driver's errors into RuleBroken, Busy or DatabaseAway. Any other one is a bug in premade: 500."""
    try:
        yield
    except psycopg.IntegrityError as error:
        if error.diag.constraint_name is None:
            raise
        raise RuleBroken(error.diag.constraint_name) from error
    except psycopg.Error as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: psycopg.Error) -> Busy | DatabaseAway | None:
    state = error.sqlstate
    if state == _INCARNATION_NOT_CONFIRMED:
        return DatabaseRestored(
            "The database was restored, copied or promoted, and the service is recording it."
        )
    if state == _CLOCK_TOO_FAR_AHEAD:
        message = (
            "For a long time, more than 1,000 codes a second were issued. Nothing was changed. Try again."
        )
        return Busy(message, meets_all=True)
    if state is not None and (state in _HELD_BY_OTHERS or state.startswith("40")):
        return Busy("Another request has locked the same record. Nothing was changed. Try again.")
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseAway("The database does not respond. A retry with the same Idempotency-Key is safe.")
    if state is not None and (state[:2] in _AWAY_CLASSES or state in _AWAY):
        why = _WHY.get(state, "cannot do this now")
        return DatabaseAway(
            f"The database {why} (SQLSTATE {state}). A retry with the same Idempotency-Key is safe."
        )
    return None
