"""What needs attention: by the very thresholds of the alerts, each of which is told here or named as one that cannot be."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import premade.console
import premade.monitoring.finding_kinds
from premade.monitoring.figures import STOCK_RATE_WINDOW, Figures
from premade.monitoring.figures_sql import GeneratedFigures, StockFigures, TicketFigures
from premade.monitoring.finding import Alert
from premade.monitoring.finding_kinds import (
    expire_unused,
    low_activation_rate,
    stock_runs_out,
    too_many_unused,
)
from premade.monitoring.findings import KINDS, NOT_SEEN_HERE, findings

ALERTS_FILE = Path(__file__).parents[2] / "ops" / "prometheus" / "alerts.yml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(ALERTS_FILE.read_text())["groups"]
    for rule in group["rules"]
}
CONSOLE = Path(premade.console.__file__).parent
KINDS_FOLDER = Path(premade.monitoring.finding_kinds.__file__).parent
NUMBER = re.compile(r"(?<![\w\[.])\d+(?:\.\d+)?(?![\w\]])")
DAY_SECONDS = [24, 3600]
WEEK = STOCK_RATE_WINDOW.days
HOUR, DAY = "1h", "24h"


def numbers_of(alert: Alert) -> list[float]:
    """Every number of its expression, in order; spans such as [1h] are none."""
    return [float(text) for text in NUMBER.findall(ALERTS[alert]["expr"])]


def figures(tickets: dict[str, Any] | None = None, stock: dict[str, Any] | None = None) -> Figures:
    row: dict[str, Any] = {
        "partner_id": 1,
        "partner": "P",
        "product_id": 106,
        "unused": 0,
        "activated": 0,
        "expiring": 0,
    }
    none = {"partner_id": 1, "product_id": 106, "last_day": 0, "last_hour": 0}
    given = dict(tickets or {})
    generated = {(1, 106): GeneratedFigures(**none | given.pop("generated"))} if "generated" in given else {}
    tickets_rows = [] if tickets is None else [TicketFigures(**row | given)]
    stock_rows = [] if stock is None else [StockFigures(product_id=106, channel="ota", **stock)]
    return Figures(tickets_rows, stock_rows, generated, [], [], [], [])


def told(of: Figures) -> list[Alert]:
    return [each.alert for each in findings(of)]


def test_the_thresholds_are_those_of_the_alerts() -> None:
    assert numbers_of(Alert.TOO_MANY_UNUSED) == [too_many_unused.UNUSED_MAX, too_many_unused.UNUSED_DAYS_MAX]
    assert numbers_of(Alert.LOW_ACTIVATION_RATE) == [
        low_activation_rate.RATE_MIN,
        low_activation_rate.RATE_UNUSED_MIN,
    ]
    assert numbers_of(Alert.EXPIRE_UNUSED) == [expire_unused.EXPIRING_MAX, expire_unused.EXPIRING_DAYS]
    assert numbers_of(Alert.STOCK_RUNS_OUT) == [stock_runs_out.STOCK_DAYS_MIN, *DAY_SECONDS, 0]
    assert numbers_of(Alert.STOCK_EXHAUSTED) == [0]


def test_what_was_just_generated_is_given_the_time_that_the_alert_waits() -> None:
    assert ALERTS[Alert.TOO_MANY_UNUSED]["for"] == HOUR
    assert ALERTS[Alert.LOW_ACTIVATION_RATE]["for"] == DAY


def test_every_alert_is_told_or_it_is_said_why_not() -> None:
    assert [kind.alert for kind in KINDS] == list(Alert)
    assert {*Alert, *NOT_SEEN_HERE} == set(ALERTS)
    assert set(Alert).isdisjoint(NOT_SEEN_HERE)
    assert {alert for alert in Alert if ALERTS[alert]["labels"]["severity"] == "critical"} == {
        kind.alert for kind in KINDS if kind.is_critical
    }


@pytest.mark.parametrize("alert", Alert)
def test_the_overview_says_what_is_wrong_and_what_to_do(alert: Alert) -> None:
    [template] = CONSOLE.rglob("chart.html")
    assert len(re.findall(rf"found\.alert == Alert\.{alert.name} ", template.read_text())) == 2


def test_every_module_of_a_finding_is_listed() -> None:
    modules = {path.stem for path in KINDS_FOLDER.glob("[!_]*.py")}
    assert {kind.alert.name.lower() for kind in KINDS} == modules


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"unused": 1001, "activated": 71}, [Alert.TOO_MANY_UNUSED]),
        ({"unused": 1000, "activated": 71}, []),
        ({"unused": 1400, "activated": 100}, []),
        ({"unused": 1401, "activated": 100}, [Alert.TOO_MANY_UNUSED]),
        ({"unused": 1401, "activated": 100, "generated": {"last_hour": 1, "last_day": 1}}, []),
        ({"unused": 1402, "activated": 100, "generated": {"last_hour": 0, "last_day": 900}}, [Alert.TOO_MANY_UNUSED]),
        ({"unused": 100, "activated": 2}, [Alert.LOW_ACTIVATION_RATE]),
        ({"unused": 99, "activated": 0}, []),
        ({"unused": 98 * 2, "activated": 4}, []),
        ({"unused": 200, "activated": 2, "generated": {"last_hour": 0, "last_day": 101}}, []),
        ({"unused": 50, "activated": 0, "generated": {"last_hour": 90, "last_day": 90}}, []),
        ({"unused": 0, "activated": 0}, []),
        ({"unused": 101, "expiring": 101, "activated": 7}, [Alert.EXPIRE_UNUSED]),
        ({"unused": 101, "expiring": 100, "activated": 7}, []),
        ({"unused": 140, "expiring": 140, "activated": 10}, []),
    ],
)  # fmt: skip
def test_a_condition_of_tickets_holds_beyond_its_threshold_and_not_at_it(
    of: dict[str, Any], expected: list[Alert]
) -> None:
    assert told(figures(tickets=of)) == expected


@pytest.mark.parametrize(
    ("available", "issued_lately", "expected"),
    [
        (0, 10, [Alert.STOCK_EXHAUSTED]),
        (0, 0, []),
        (1, 0, []),
        (1, 10, [Alert.STOCK_RUNS_OUT]),
        (9, 10, [Alert.STOCK_RUNS_OUT]),
        (10, 10, []),
    ],
)
def test_a_condition_of_stock_holds_below_its_threshold(
    available: int, issued_lately: int, expected: list[Alert]
) -> None:
    assert told(figures(stock={"available": available, "issued_lately": issued_lately})) == expected
    assert WEEK == stock_runs_out.STOCK_DAYS_MIN, "the cases above take both to be a week"


def test_the_most_urgent_comes_first() -> None:
    of = figures({"unused": 5000, "expiring": 4000}, {"available": 0, "issued_lately": 1})

    assert told(of) == list(dict.fromkeys(told(of)))
    assert told(of) == [alert for alert in Alert if alert != Alert.STOCK_RUNS_OUT]
