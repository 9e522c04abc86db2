"""Times and numbers as an operator types them. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from premade.runtime.errors import FieldError, Invalid
from premade.values.calendar import calendar_day, no_such_day
from premade.values.texts import cleaned

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,3}(,[0-9]{3}){1,5}|[0-9]{1,18}")
_DIGITS = re.compile(r"[0-9]{1,19}")
DAY_CHARACTERS = len("2026-03-31")
NUMBER_MAX = 2**63 - 1
"""The largest that the database keeps."""
YEAR_MAX = 9000
"""Years near 9999 are not the same year in every time zone, and some have none."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str, field: str) -> timedelta:
    """`30s`, `15m`, `24h` or `7d`. Invalid otherwise."""
    match = _DURATION.fullmatch(cleaned(text))
    if not match:
        raise Invalid([FieldError(field, f"{text!r} is not a duration. Use a form such as 24h or 7d")])
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment(text: str, field: str, now: datetime, zone: ZoneInfo) -> datetime:
    """A length of time from now, a day (its end, in the operator's time zone) or an RFC 3339 time."""
    text = cleaned(text)
    if _DURATION.fullmatch(text):
        return now + duration(text, field)
    if why := no_such_day(text[:DAY_CHARACTERS]):
        raise Invalid([FieldError(field, why)])
    try:
        if len(text) == DAY_CHARACTERS:
            given = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time.min, zone)
        else:
            given = datetime.fromisoformat(text)
        in_utc = given.astimezone(UTC)
        if in_utc.year > YEAR_MAX:
            raise ValueError  # noqa: TRY301
    except (ValueError, OverflowError):
        message = f"{text!r} is not a time. Use a form such as 90d, 2026-03-31 or 2026-03-31T12:00:00Z"
        raise Invalid([FieldError(field, message)]) from None
    if given.tzinfo is None:
        raise Invalid([FieldError(field, "Add the time zone: 2026-03-31T12:00:00Z")])
    return in_utc


def day(text: str | None, field: str) -> date | None:
    """`2026-03-31`, or None for None. Invalid otherwise."""
    if text is None:
        return None
    text = cleaned(text)
    try:
        return calendar_day(text)
    except ValueError:
        why = no_such_day(text) or f"{text!r} is no day; 2026-03-31 would be one"
        raise Invalid([FieldError(field, why)]) from None


def whole_number(text: str, field: str) -> int:
    """`12000`, or with commas as pages show it: `12,000`. Invalid otherwise, also when it has more than 18 digits.

    A comma stands between groups of three digits alone: many write one and a half as `1,5`.
    """
    plain = cleaned(text)
    if not _WHOLE_NUMBER.fullmatch(plain):
        raise Invalid([FieldError(field, "Must be a whole number, such as 1000")])
    return int(plain.replace(",", ""))


def plain_number(text: str) -> int | None:
    """A number as an address or a form carries it, such as an id: digits alone. None for what the database could not
    keep, too.
    """
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= NUMBER_MAX else None
