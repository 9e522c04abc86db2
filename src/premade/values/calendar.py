"""Days as people and clients write them: `2026-03-31`. Pure."""

import re
from calendar import month_name, monthrange
from datetime import MINYEAR, date

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_MONTHS = 12
NO_DAY = "Must be a day as YYYY-MM-DD, such as 2026-03-31"


def calendar_day(text: str) -> date:
    """Return the day. Of the ways to write one that ISO 8601 has, only `2026-03-31` is read.

    Raises:
        ValueError: the text is no day; a day that the calendar does not have is named as such.
    """
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(no_such_day(text) or NO_DAY)


def no_such_day(text: str) -> str | None:
    """Return why a day in the right form is none: `There is no 29 February 2026`. None for every other text."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = map(int, match.groups())
    if year < MINYEAR:
        return "There is no year 0000"
    if not 1 <= month <= _MONTHS:
        return f"There is no month {month}; months are 01 to 12"
    if not 1 <= day <= monthrange(year, month)[1]:
        return f"There is no {day} {month_name[month]} {year}"
    return None
