"""Bars over days: where they stand, how the axes are divided and labelled."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from premade.console.overview.chart import (
    LABELS_MAX,
    LABELS_ON_A_PHONE_MAX,
    TICKS_MAX,
    Amount,
    Chart,
    chart_of_days,
    tick_step,
)
from premade.texts.formats import compact

SUNDAY = date(2025, 11, 9)


def chart(figures: dict[int, Amount], days: int = 7, last: date = SUNDAY) -> Chart:
    """`figures` by the number of days before the last."""
    of_days = {last - timedelta(days=before): value for before, value in figures.items()}
    return chart_of_days(of_days, last, days, lambda value: f"{value} pcs")


@pytest.mark.parametrize(
    ("most", "step"),
    [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 5), (20, 5), (21, 10), (119, 50), (201, 100), (Decimal("38000.50"), 10_000)],
)  # fmt: skip
def test_a_step_is_1_2_or_5_times_a_power_of_ten_and_few_of_them_reach_the_most(
    most: Amount, step: int
) -> None:
    assert tick_step(most) == step
    assert step * TICKS_MAX >= most


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (200, "200"), (1500, "1,500"), (9999, "9,999"), (20_000, "20k"), (12_500, "12.5k"), (1_500_000, "1.5m"), (200_000_000, "200m")],
)  # fmt: skip
def test_large_steps_are_written_short(value: int, written: str) -> None:
    assert compact(value) == written


def test_each_day_has_a_bar_as_high_as_its_figure_and_the_last_is_not_over() -> None:
    drawn = chart({0: 3, 1: 10, 6: 5})

    assert [tick.label for tick in drawn.ticks] == ["0", "5", "10"]
    assert [tick.top for tick in drawn.ticks] == [100, 50, 0]
    assert [bar.height for bar in drawn.bars] == [50, 0, 0, 0, 0, 100, 30]
    assert all(bar.top + bar.height == 100 for bar in drawn.bars)
    assert [bar.is_today for bar in drawn.bars] == [False] * 6 + [True]
    assert drawn.bars[5].title == "Sat, 8 Nov 2025: 10 pcs"
    assert drawn.bars[6].title == "Sun, 9 Nov 2025: 3 pcs so far"
    assert (drawn.most, drawn.total, drawn.is_empty) == ("10 pcs", "18 pcs", False)
    assert drawn.rows[0] == (date(2025, 11, 3), "5 pcs")
    edges = [(bar.hit_left, bar.hit_left + bar.hit_width) for bar in drawn.bars]
    assert edges[0][0] == 0
    assert edges[-1][1] == pytest.approx(100, abs=0.01)
    assert all(
        bar.hit_left < bar.left < bar.left + bar.width < bar.hit_left + bar.hit_width for bar in drawn.bars
    )


def test_a_chart_of_nothing_says_so_and_divides_by_nothing() -> None:
    drawn = chart({})

    assert drawn.is_empty
    assert [bar.height for bar in drawn.bars] == [0] * 7


def test_a_week_names_its_days_and_a_longer_time_its_mondays() -> None:
    assert [each.label for each in chart({}).labels] == [
        "Mon 3", "Tue 4", "Wed 5", "Thu 6", "Fri 7", "Sat 8", "Sun 9",
    ]  # fmt: skip
    assert [each.label for each in chart({}, 30).labels] == ["13 Oct", "20 Oct", "27 Oct", "3 Nov"]
    for shift in range(7):
        for days in (7, 30, 90):
            labels = chart({}, days, SUNDAY + timedelta(days=shift)).labels
            assert 3 <= len(labels) <= LABELS_MAX
            on_a_phone = [each for each in labels if not each.is_for_wide]
            assert 2 <= len(on_a_phone) <= LABELS_ON_A_PHONE_MAX
            assert on_a_phone[-1] == labels[-1]
            assert all(0 < each.middle < 100 for each in labels)
