"""Numbers, money and dates in the reader's language, by CLDR's rules. For pages only: the API and exports have exact forms."""

import re
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import NumberPattern, format_compact_decimal

from premade.texts.translation import current_language, number_text

_CACHED = 10_000
"""Formatted values in memory. A list repeats the same amounts and days."""
_WRITTEN_OUT_BELOW = 10_000
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class LazyNumber:
    """A number that is declared before the reader's language is known. `str` formats it."""

    number: int

    def __str__(self) -> str:
        return number_text(self.number)


def _with_decimals(pattern: NumberPattern, decimals: int) -> NumberPattern:
    """Return the pattern for numbers with so many decimals."""
    changed = copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed


def number(count: float) -> str:
    """Return `12,000`."""
    return number_text(round(count))


def decimal(value: float, digits: int) -> str:
    """Return `0.4` with one digit."""
    locale = _locale()
    return _with_decimals(locale.decimal_formats[None], digits).apply(round(value, digits), locale)


def percent(share: float) -> str:
    """Return `4.3%`."""
    locale = _locale()
    return _with_decimals(locale.percent_formats[None], 1).apply(share, locale)


def compact(value: int) -> str:
    """Return the label of an axis: `200`, `1,500`, `20K`, `1.5M`."""
    if value < _WRITTEN_OUT_BELOW:
        return number(value)
    return format_compact_decimal(value, locale=_locale(), fraction_digits=1)


def money(amount: Decimal, currency: str) -> str:
    """Return `HK$1,288.00` or `JP¥1,288`: the amount has the decimals of its currency already."""
    return _money(amount, currency, current_language().locale)


@lru_cache(_CACHED)
def _money(amount: Decimal, currency: str, name: str) -> str:
    locale = Locale.parse(name)
    decimals = max(0, -int(amount.as_tuple().exponent))
    pattern = _with_decimals(locale.currency_formats["standard"], decimals)
    text = pattern.apply(amount, locale, currency=currency, currency_digits=False)
    # A currency without a symbol: CLDR separates letters from figures, and Babel does not.
    return re.sub(rf"{currency}(?=\d)", currency + NO_BREAK_SPACE, text)


def day(when: date) -> str:
    """Return `30 Nov 2026`."""
    return _formatted("yMMMd", when)


def day_in_year(when: date) -> str:
    """Return `30 Nov`."""
    return _formatted("MMMd", when)


def day_in_month(when: date) -> str:
    """Return `Mon 30`."""
    return _formatted("Ed", when)


def day_in_full(when: date) -> str:
    """Return `Mon, 30 Nov 2026`."""
    return _formatted("yMMMEd", when)


def minute(when: datetime, today: date) -> str:
    """Return `30 Nov, 07:32`, or with its year if that is another one."""
    return _day_and_time(when, today, "Hm")


def second(when: datetime, today: date) -> str:
    """Return `30 Nov, 07:32:15`, or with its year if that is another one."""
    return _day_and_time(when, today, "Hms")


def _day_and_time(when: datetime, today: date, skeleton: str) -> str:
    shown = day_in_year(when) if when.year == today.year else day(when)
    # The patterns are `{1}, {0}` and the like, with the day at 1.
    return str(_locale().datetime_formats["medium"]).format(_formatted(skeleton, when), shown)


def _formatted(skeleton: str, when: date) -> str:
    # Without its zone: the caller has chosen the zone, and Babel would convert a time with one.
    return _cached(
        skeleton, when.replace(tzinfo=None) if isinstance(when, datetime) else when, current_language().locale
    )


@lru_cache(_CACHED)
def _cached(skeleton: str, when: date, name: str) -> str:
    at = when if isinstance(when, datetime) else datetime(when.year, when.month, when.day)  # noqa: DTZ001
    return format_skeleton(skeleton, at, locale=name)


def _locale() -> Locale:
    return Locale.parse(current_language().locale)
