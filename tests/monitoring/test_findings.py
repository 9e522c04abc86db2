"""What needs attention: by the very thresholds of the alerts, each of which is told here or named as one that cannot be."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

import premade.monitoring.finding_kinds
from premade.console.rendering import Templates
from premade.monitoring.figures import STOCK_RATE_WINDOW, Figures
from premade.monitoring.figures_sql import GeneratedFigures, RefusalCount, StockFigures, TicketFigures
from premade.monitoring.finding import Finding, FindingKind
from premade.monitoring.finding_kinds import (
    expire_unused,
    low_activation_rate,
    many_refusals,
    stock_runs_out,
    too_many_unused,
)
from premade.monitoring.finding_kinds.expire_unused import EXPIRE_UNUSED
from premade.monitoring.finding_kinds.low_activation_rate import LOW_ACTIVATION_RATE
from premade.monitoring.finding_kinds.many_refusals import MANY_REFUSALS
from premade.monitoring.finding_kinds.stock_exhausted import STOCK_EXHAUSTED
from premade.monitoring.finding_kinds.stock_runs_out import STOCK_RUNS_OUT
from premade.monitoring.finding_kinds.too_many_unused import TOO_MANY_UNUSED
from premade.monitoring.findings import KINDS, NOT_SEEN_HERE, findings
from premade.runtime.clock import Runtime

ALERTS_FILE = Path(__file__).parents[2] / "ops" / "prometheus" / "alerts.yml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(ALERTS_FILE.read_text())["groups"]
    for rule in group["rules"]
}
KINDS_FOLDER = Path(premade.monitoring.finding_kinds.__file__).parent
REGISTRY = (KINDS_FOLDER.parent / "findings.py").read_text()
NUMBER = re.compile(r"(?<![\w\[.])\d+(?:\.\d+)?(?![\w\]])")
DAY_SECONDS = [24, 3600]
WEEK = STOCK_RATE_WINDOW.days
HOUR, DAY = "1h", "24h"


def numbers_of(alert: str) -> list[float]:
    """Every number of its expression, in order; spans such as [1h] are none."""
    return [float(text) for text in NUMBER.findall(ALERTS[alert]["expr"])]


TODAY = date(2026, 12, 1)


def figures(
    tickets: dict[str, Any] | None = None,
    stock: dict[str, Any] | None = None,
    refusals: list[RefusalCount] | None = None,
) -> Figures:
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
    return Figures(tickets_rows, stock_rows, generated, [], [], refusals or [], [], TODAY)


def told(of: Figures) -> list[str]:
    return [each.kind.alert for each in findings(of)]


def test_the_thresholds_are_those_of_the_alerts() -> None:
    assert numbers_of(TOO_MANY_UNUSED.alert) == [too_many_unused.UNUSED_MAX, too_many_unused.UNUSED_DAYS_MAX]
    assert numbers_of(LOW_ACTIVATION_RATE.alert) == [
        low_activation_rate.RATE_MIN,
        low_activation_rate.RATE_UNUSED_MIN,
    ]
    assert numbers_of(EXPIRE_UNUSED.alert) == [expire_unused.EXPIRING_MAX, expire_unused.EXPIRING_DAYS]
    assert numbers_of(STOCK_RUNS_OUT.alert) == [stock_runs_out.STOCK_DAYS_MIN, *DAY_SECONDS, 0]
    assert numbers_of(STOCK_EXHAUSTED.alert) == [0]
    assert numbers_of(MANY_REFUSALS.alert) == [many_refusals.REFUSALS_MAX]
    assert set(re.findall(r"[A-Z_]{5,}", ALERTS[MANY_REFUSALS.alert]["expr"])) == many_refusals.CODES


def test_what_was_just_generated_is_given_the_time_that_the_alert_waits() -> None:
    assert ALERTS[TOO_MANY_UNUSED.alert]["for"] == HOUR
    assert ALERTS[LOW_ACTIVATION_RATE.alert]["for"] == DAY


def test_every_alert_is_told_or_it_is_said_why_not() -> None:
    names = [kind.alert for kind in KINDS]
    assert sorted([*names, *NOT_SEEN_HERE]) == sorted(ALERTS)
    assert {alert for alert in names if ALERTS[alert]["labels"]["severity"] == "critical"} == {
        kind.alert for kind in KINDS if kind.is_critical
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.alert)
def test_the_overview_says_what_is_wrong_and_what_to_do(kind: FindingKind) -> None:
    templates = Templates(Runtime(ZoneInfo("UTC")))
    found = Finding(kind, 106, 0.5, "A <b>", 7, "ota")

    texts = [
        templates.render_text(text, found=found, product="P <b>") for text in (kind.headline, kind.advice)
    ]

    assert all(texts)
    assert "<b>" not in "".join(texts), "names are escaped"
    assert ("P &lt;b&gt;" in texts[0]) == (kind is not MANY_REFUSALS)


def test_every_module_of_a_finding_is_listed() -> None:
    modules = {path.stem for path in KINDS_FOLDER.glob("[!_]*.py")}
    assert {
        module for module in modules if f"finding_kinds.{module} import {module.upper()}\n" in REGISTRY
    } == modules
    assert len(KINDS) == len(modules)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"unused": 1001, "activated": 71}, [TOO_MANY_UNUSED.alert]),
        ({"unused": 1000, "activated": 71}, []),
        ({"unused": 1400, "activated": 100}, []),
        ({"unused": 1401, "activated": 100}, [TOO_MANY_UNUSED.alert]),
        ({"unused": 1401, "activated": 100, "generated": {"last_hour": 1, "last_day": 1}}, []),
        ({"unused": 1402, "activated": 100, "generated": {"last_hour": 0, "last_day": 900}}, [TOO_MANY_UNUSED.alert]),
        ({"unused": 100, "activated": 2}, [LOW_ACTIVATION_RATE.alert]),
        ({"unused": 99, "activated": 0}, []),
        ({"unused": 98 * 2, "activated": 4}, []),
        ({"unused": 200, "activated": 2, "generated": {"last_hour": 0, "last_day": 101}}, []),
        ({"unused": 50, "activated": 0, "generated": {"last_hour": 90, "last_day": 90}}, []),
        ({"unused": 0, "activated": 0}, []),
        ({"unused": 101, "expiring": 101, "activated": 7}, [EXPIRE_UNUSED.alert]),
        ({"unused": 101, "expiring": 100, "activated": 7}, []),
        ({"unused": 140, "expiring": 140, "activated": 10}, []),
    ],
)  # fmt: skip
def test_a_condition_of_tickets_holds_beyond_its_threshold_and_not_at_it(
    of: dict[str, Any], expected: list[str]
) -> None:
    assert told(figures(tickets=of)) == expected


@pytest.mark.parametrize(
    ("available", "issued_lately", "expected"),
    [
        (0, 10, [STOCK_EXHAUSTED.alert]),
        (0, 0, []),
        (1, 0, []),
        (1, 10, [STOCK_RUNS_OUT.alert]),
        (9, 10, [STOCK_RUNS_OUT.alert]),
        (10, 10, []),
    ],
)
def test_a_condition_of_stock_holds_below_its_threshold(
    available: int, issued_lately: int, expected: list[str]
) -> None:
    assert told(figures(stock={"available": available, "issued_lately": issued_lately})) == expected
    assert WEEK == stock_runs_out.STOCK_DAYS_MIN, "the cases above take both to be a week"


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({"SIGN_IN_REFUSED": 300, "API_KEY_INVALID": 201}, [MANY_REFUSALS.alert]),
        ({"SIGN_IN_REFUSED": 300, "API_KEY_INVALID": 200}, []),
        ({"STOCK_SHORT": 5000}, []),
    ],
)
def test_refusals_of_today_count_beyond_their_threshold(counted: dict[str, int], expected: list[str]) -> None:
    rows = [RefusalCount(day=TODAY, code=code, refused=refused) for code, refused in counted.items()]
    earlier = [RefusalCount(TODAY - timedelta(days=1), "SIGN_IN_REFUSED", 1000)]
    assert told(figures(refusals=[*rows, *earlier])) == expected


def test_the_most_urgent_comes_first() -> None:
    refused = [RefusalCount(TODAY, "SIGN_IN_REFUSED", 501)]
    of = figures({"unused": 5000, "expiring": 4000}, {"available": 0, "issued_lately": 1}, refused)

    assert told(of) == list(dict.fromkeys(told(of)))
    assert told(of) == [kind.alert for kind in KINDS if kind is not STOCK_RUNS_OUT]
