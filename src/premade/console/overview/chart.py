"""Bar charts over days. Positions are in percent of the plot, so that texts keep their size at any width. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from premade.texts import formats
from premade.texts.translation import gettext as _

TICKS_MAX = 4
"""Maximum number of lines above the baseline."""
BAR_SHARE = 0.72
"""Width of a bar as a share of its day; the rest is the gap to the next."""
DAYS_LABELLED_EACH_MAX = 7
LABELS_MAX = 7
LABELS_ON_A_PHONE_MAX = 4
_STEPS = (1, 2, 5, 10)
_MONDAY = 0

Amount = int | Decimal


@dataclass(frozen=True)
class Bar:
    """One day. Places and sizes are in percent of the plot."""

    title: str
    left: float
    width: float
    hit_left: float
    hit_width: float
    top: float
    height: float
    is_today: bool


@dataclass(frozen=True)
class Tick:
    """A line across the plot."""

    top: float
    label: str


@dataclass(frozen=True)
class DayLabel:
    """A day named below the plot."""

    middle: float
    label: str
    is_for_wide: bool
    """Whether it is left out on a narrow screen."""


@dataclass(frozen=True)
class Chart:
    """Bars, the lines behind them and the days below; `rows` are the same figures for a table, oldest first."""

    bars: list[Bar]
    ticks: list[Tick]
    labels: list[DayLabel]
    rows: list[tuple[date, str]]
    most: str
    total: str
    is_empty: bool


def chart_of_days(
    figures: Mapping[date, Amount], last: date, days: int, say: Callable[[Amount], str]
) -> Chart:
    """Return the chart of the `days` up to `last`, which is today. A day without a figure is 0. `say` formats a figure."""
    span = [last - timedelta(days=days - 1 - place) for place in range(days)]
    values = [figures.get(day, 0) for day in span]
    step = tick_step(max(values))
    top_value = step * max(1, math.ceil(max(values) / step))
    width = 100 / days
    bars = [
        Bar(
            title=_title(day, say(value), is_today=day == last),
            left=_round(width * (place + (1 - BAR_SHARE) / 2)),
            width=_round(width * BAR_SHARE),
            hit_left=_round(width * place),
            hit_width=_round(width),
            top=_round(100 - 100 * float(value) / top_value),
            height=_round(100 * float(value) / top_value),
            is_today=day == last,
        )
        for place, (day, value) in enumerate(zip(span, values, strict=True))
    ]
    ticks = [
        Tick(_round(100 - 100 * value / top_value), formats.compact(value))
        for value in range(0, top_value + 1, step)
    ]
    rows = [(day, say(value)) for day, value in zip(span, values, strict=True)]
    return Chart(
        bars, ticks, _labels(span), rows, say(max(values)), say(sum(values)), is_empty=not any(values)
    )


def _title(day: date, figure: str, *, is_today: bool) -> str:
    name = formats.day_in_full(day)
    return _("%(day)s: %(figure)s so far", day=name, figure=figure) if is_today else f"{name}: {figure}"


def tick_step(most: Amount) -> int:
    """Return the distance of the lines: the smallest of 1, 2 or 5 times a power of ten with which TICKS_MAX lines reach `most`."""
    least = max(float(most) / TICKS_MAX, 1)
    power = 10 ** math.floor(math.log10(least))
    return next(factor * power for factor in _STEPS if factor * power >= least)


def _labels(span: list[date]) -> list[DayLabel]:
    """Return labels for all days of a week, or for Mondays of a longer time, as many as fit. The latest always has one."""
    width = 100 / len(span)
    each = len(span) <= DAYS_LABELLED_EACH_MAX
    places = [place for place, day in enumerate(span) if each or day.weekday() == _MONDAY][::-1]
    places = places[:: math.ceil(len(places) / LABELS_MAX)]
    on_a_phone = places[:: math.ceil(len(places) / LABELS_ON_A_PHONE_MAX)]
    return [
        DayLabel(
            middle=_round(width * (place + 0.5)),
            label=formats.day_in_month(span[place]) if each else formats.day_in_year(span[place]),
            is_for_wide=place not in on_a_phone,
        )
        for place in reversed(places)
    ]


def _round(percent: float) -> float:
    return round(percent, 3)
