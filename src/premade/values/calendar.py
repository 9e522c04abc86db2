"""Days as people and clients write them: `2026-03-31`. Pure."""

import re
from calendar import month_name, monthrange
from datetime import MINYEAR, date

from premade.texts.fields import field_text

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_MONTHS = 12


def calendar_day(text: str) -> date:
    """Return the day. Of the forms of ISO 8601, only `2026-03-31` is accepted.

    Raises:
        ValueError: the text is not a day in this form, or the calendar has no such day.
    """
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(no_such_day(text) or field_text("time.day"))


def no_such_day(text: str) -> str | None:
    """Return why the calendar lacks a day in the right form: `There is no 29 February 2026`. Return None for all other texts."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = map(int, match.groups())
    if year < MINYEAR:
        return field_text("time.no_year_0")
    if not 1 <= month <= _MONTHS:
        return field_text("time.no_such_month", month=month)
    if not 1 <= day <= monthrange(year, month)[1]:
        return field_text("time.no_such_day", day=day, month=month_name[month], year=year)
    return None
