"""Times and numbers as an operator types them. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.values.calendar import calendar_day, no_such_day
from premade.values.texts import cleaned

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,3}(,[0-9]{3}){1,5}|[0-9]{1,18}")
_DIGITS = re.compile(r"[0-9]{1,19}")
DAY_CHARACTERS = len("2026-03-31")
NUMBER_MAX = 2**63 - 1
"""The largest bigint of PostgreSQL."""
YEAR_MAX = 9000
"""Times near the end of year 9999 do not exist in every time zone."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str, field: str) -> timedelta:
    """Read `30s`, `15m`, `24h` or `7d`.

    Raises:
        Invalid: the text is not a duration.
    """
    match = _DURATION.fullmatch(cleaned(text))
    if not match:
        raise Invalid([FieldError(field, field_text("time.duration", text=text))])
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment(text: str, field: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Read a duration from now, a day (its end, in the operator's time zone) or an RFC 3339 time. Return it in UTC.

    Raises:
        Invalid: the text is none of these, or after YEAR_MAX.
    """
    text = cleaned(text)
    if _DURATION.fullmatch(text):
        return now + duration(text, field)
    if why := no_such_day(text[:DAY_CHARACTERS]):
        raise Invalid([FieldError(field, why)])
    try:
        if len(text) == DAY_CHARACTERS:
            moment = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time.min, zone)
        else:
            moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC)
        if in_utc.year > YEAR_MAX:
            raise ValueError  # noqa: TRY301
    except (ValueError, OverflowError):
        raise Invalid([FieldError(field, field_text("time.moment_typed", text=text))]) from None
    if moment.tzinfo is None:
        raise Invalid([FieldError(field, field_text("time.without_zone"))])
    return in_utc


def day(text: str | None, field: str) -> date | None:
    """Read `2026-03-31`; return None for None.

    Raises:
        Invalid: the text is not a day.
    """
    if text is None:
        return None
    text = cleaned(text)
    try:
        return calendar_day(text)
    except ValueError:
        why = no_such_day(text) or field_text("time.day_typed", text=text)
        raise Invalid([FieldError(field, why)]) from None


def whole_number(text: str, field: str) -> int:
    """Read `12000`, or `12,000` as pages show it. A comma only separates groups of three digits: many write 1.5 as `1,5`.

    Raises:
        Invalid: the text is not a whole number, or has more than 18 digits.
    """
    plain = cleaned(text)
    if not _WHOLE_NUMBER.fullmatch(plain):
        raise Invalid([FieldError(field, field_text("number.whole"))])
    return int(plain.replace(",", ""))


def plain_number(text: str) -> int | None:
    """Read an id from an address or a form. Return None unless it has only digits and is at most NUMBER_MAX."""
    return int(text) if _DIGITS.fullmatch(text) and int(text) <= NUMBER_MAX else None
