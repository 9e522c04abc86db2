"""Alerts, runbook and dashboard: promtool accepts them, they fire and stay silent, and what they name exists."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import Shop
from typer.testing import CliRunner

from premade.cli import app

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "ops" / "prometheus"
ALERTS = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
RULE_TESTS = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
DASHBOARD = json.loads((ROOT / "ops" / "grafana" / "premade.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = DASHBOARD["templating"]["list"]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

OF_PROMETHEUS = {"up": {"instance", "job"}}
"""What Prometheus itself makes of a target; it adds these two labels to each metric, too."""
SEVERITIES = {"critical", "warning"}
TEAMS = {"on-call", "sales-operations"}
KEYWORDS = {"and", "or", "unless", "bool", "offset"}
GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
TOKEN = re.compile(
    r"""\s+ | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<range>\[[^\]]*\]) | (?P<number>\d[\w.]*)
    | (?P<name>[a-zA-Z_:][\w:]*) | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){},<>=])""",
    re.VERBOSE,
)


def promtool(*arguments: str) -> str:
    """Fails where promtool is missing, as it must: it is Debian's package `prometheus`."""
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What an expression names.


@dataclass(frozen=True)
class Named:
    """A label, and the metrics that must have it; with no label, metrics that must exist."""

    metrics: frozenset[str]
    label: str | None = None


def tokens_of(expression: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(expression):
        match = TOKEN.match(expression, place)
        assert match, f"not understood: {expression[place:]!r}"
        if match.lastgroup:
            tokens.append((match.lastgroup, match[0]))
        place = match.end()
    return tokens


def until_closed(tokens: list[tuple[str, str]], start: int) -> int:
    """The place of the bracket that closes the one at `start`."""
    opened, closes = tokens[start][1], {"(": ")", "{": "}"}[tokens[start][1]]
    depth = 0
    for place in range(start, len(tokens)):
        depth += (tokens[place][1] == opened) - (tokens[place][1] == closes)
        if depth == 0:
            return place
    raise AssertionError("a bracket is not closed")


def named_in(expression: str) -> Iterator[Named]:
    """Each metric, and each label with the metrics that it must belong to."""
    tokens = tokens_of(expression)
    metrics = frozenset(metrics_in(tokens))
    assert metrics, f"no metric in {expression!r}"
    yield Named(metrics)
    for place, (kind, text) in enumerate(tokens):
        if text == "{":
            assert tokens[place - 1][0] == "name", "a selector without a metric"
            for inside in range(place + 1, until_closed(tokens, place)):
                if tokens[inside][0] == "name":
                    yield Named(frozenset({tokens[place - 1][1]}), tokens[inside][1])
        if kind == "name" and text in GROUPINGS:
            end = until_closed(tokens, place + 1)
            of_these = metrics
            if text in {"by", "without"}:
                assert tokens[end + 1][1] == "(", "write `sum by (label) (…)`, not `sum(…) by (label)`"
                of_these = frozenset(metrics_in(tokens[end + 1 : until_closed(tokens, end + 1) + 1]))
            for kind_inside, label in tokens[place + 2 : end]:
                if kind_inside == "name":
                    yield Named(of_these, label)


def metrics_in(tokens: list[tuple[str, str]]) -> Iterator[str]:
    """Names that are neither functions nor keywords, nor labels in brackets."""
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        if text == "{" or (kind == "name" and text in GROUPINGS):
            place = until_closed(tokens, place if text == "{" else place + 1)
        elif (
            kind == "name" and text not in KEYWORDS and following != "(" and not is_aggregation(tokens, place)
        ):
            yield text
        place += 1


def is_aggregation(tokens: list[tuple[str, str]], place: int) -> bool:
    """`sum by (…)`: a name that a grouping follows."""
    return place + 1 < len(tokens) and tokens[place + 1][1] in {"by", "without"}


def labels_of_result(expression: str) -> set[str] | None:
    """The labels that the result has, where the outermost aggregation says so; None for all."""
    first = re.match(
        r"\s*(?:histogram_quantile\(\s*[\d.]+,\s*)?(?:sum|max|min|count)(?: by \(([^)]*)\))?\s*\(", expression
    )
    if not first:
        return None
    return {label.strip() for label in (first[1] or "").split(",")} - {"", "le"}


@pytest.fixture(scope="module")
def scraped(service: Service, dsn: str) -> dict[str, set[str]]:
    """Every metric of a real scrape, with its labels."""
    shop = Shop(dsn, service.url)
    seller = shop.seller()
    [code, _] = seller.tickets(2, valid_until=str(datetime.now(UTC).date()))
    assert seller.activate(code).status_code == 200
    assert seller.activate(code).status_code == 409
    found: dict[str, set[str]] = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for family in text_string_to_metric_families(
        httpx.get(service.metrics_url, trust_env=False, verify=NO_TLS).text
    ):
        for sample in family.samples:
            found.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return found


def unknown(expression: str, scraped: dict[str, set[str]]) -> list[str]:
    wrong: list[str] = []
    for named in named_in(expression):
        for metric in sorted(named.metrics):
            if metric not in scraped:
                wrong.append(f"there is no metric {metric}")
            elif named.label is not None and named.label not in scraped[metric]:
                wrong.append(f"{metric} has no label {named.label}")
    return wrong


def without_variables(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$partner", ".*").replace("$product_id", ".*")


def queries_of_the_dashboard() -> list[tuple[str, str, str]]:
    return [
        (panel["title"], without_variables(target["expr"]), target["legendFormat"])
        for panel in PANELS
        for target in panel["targets"]
    ]


def in_the_runbook(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", RUNBOOK, re.MULTILINE | re.DOTALL)


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def headings() -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)}


# promtool


def test_promtool_accepts_the_rules() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", "alerts.yml")


def test_promtool_accepts_the_example_of_a_configuration() -> None:
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", "prometheus.yml")


@pytest.mark.nightly
def test_each_alert_fires_and_stays_silent() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_each_alert_has_a_case_that_fires_with_every_annotation_and_one_that_stays_silent() -> None:
    for alert in ALERTS:
        cases = [case for test in RULE_TESTS for case in test["alert_rule_test"]]
        of_it = [case["exp_alerts"] for case in cases if case["alertname"] == alert["alert"]]
        fired = list(itertools.chain(*of_it))
        assert fired, f"{alert['alert']} fires in no case"
        assert [] in of_it, f"{alert['alert']} is silent in no case"
        for case in fired:
            assert set(case["exp_annotations"]) == set(alert["annotations"])
            assert {"severity", "team"} <= set(case["exp_labels"])


TICKETS, RATE, EXPIRE = (
    "PremadeTooManyUnusedTickets",
    "PremadeLowActivationRate",
    "PremadeTicketsExpireUnused",
)
RUNS_OUT, EXHAUSTED = "PremadeStockRunsOut", "PremadeStockExhausted"
ERRORS, SLOW = "PremadeErrors", "PremadeSlow"


CHANGES = [
    *((alert["alert"], f"for: {alert['for']}", "for: 0s") for alert in ALERTS),
    *((alert["alert"], f"for: {alert['for']}", "for: 7d") for alert in ALERTS),
    (TICKETS, "> 1000", ">= 1000"),
    (TICKETS, "> 1000", "> 1001"),
    (TICKETS, " 14 *", " 13 *"),
    (TICKETS, " 14 *", " 15 *"),
    (TICKETS, "max by (partner, product_id) (ota_tickets_pre", "sum by (partner, product_id) (ota_tickets_pre"),
    (RATE, "< 0.02", "<= 0.02"),
    (RATE, "< 0.02", "< 0.015"),
    (RATE, ">= 100", ">= 99"),
    (RATE, ">= 100", "> 100"),
    (RATE, "max by (partner, product_id) (last_over_time(ota_tickets_pre", "sum by (partner, product_id) (last_over_time(ota_tickets_pre"),
    (RATE, "last_over_time(ota_tickets_activation_rate[1h])", "ota_tickets_activation_rate"),
    (EXPIRE, "> 100", ">= 100"),
    (EXPIRE, "> 100", "> 101"),
    (EXPIRE, " 14 *", " 13 *"),
    (EXPIRE, " 14 *", " 15 *"),
    (EXPIRE, "max by (partner, product_id) (ota_tickets_exp", "sum by (partner, product_id) (ota_tickets_exp"),
    (RUNS_OUT, "< 7 * 24", "<= 7 * 24"),
    (RUNS_OUT, "< 7 * 24", "< 6 * 24"),
    (RUNS_OUT, "available) > 0", "available) >= 0"),
    (RUNS_OUT, "max by (product_id, channel) (premade_allotment_time", "sum by (product_id, channel) (premade_allotment_time"),
    (EXHAUSTED, "available) == 0", "available) <= 1"),
    (EXHAUSTED, "on (product_id, channel)", "on (product_id)"),
    (ERRORS, "> 0.01", "> 0.0099"),
    (ERRORS, "> 0.01", "> 0.02"),
    (ERRORS, "[5m])) > 5", "[5m])) > 4"),
    (ERRORS, "[5m])) > 5", "[5m])) > 10"),
    (ERRORS, 'route!~"/healthz|/readyz", ', ""),
    (ERRORS, "5..", "[45].."),
    (SLOW, ") > 1\n", ") > 0.9\n"),
    (SLOW, ") > 1\n", ") > 2\n"),
    (SLOW, "> 0.1\n", "> 0.09\n"),
    (SLOW, 'route!~"/healthz|/readyz"', ""),
    ("PremadeDatabaseAway", "== 0", "== 1"),
    ("PremadeClocksApart", "> 30", "> 29"),
    ("PremadeClocksApart", "abs(premade_database_clock_ahead_seconds)", "premade_database_clock_ahead_seconds"),
    ("PremadeFiguresAway", "== 0", "== 1"),
    ("PremadeFiguresAway", "premade_database_up == 1", "premade_database_up == 0"),
    ("PremadeAway", "== 1", "== 2"),
    ("PremadeMachineAway", '{job="premade"}', ""),
]  # fmt: skip
"""An alert, a part of its rule, and another part in its place: its cases must fail then."""
RULES = (PROMETHEUS / "alerts.yml").read_text()


def changed_rules(alert: str, old: str, new: str) -> str:
    start = RULES.index(f"- alert: {alert}\n")
    end = RULES.find("- alert: ", start + 1) if alert != ALERTS[-1]["alert"] else len(RULES)
    assert old in RULES[start:end]
    return RULES[:start] + RULES[start:end].replace(old, new) + RULES[end:]


def test_each_change_of_a_rule_is_a_rule(tmp_path: Path) -> None:
    for number, change in enumerate(CHANGES):
        (tmp_path / f"{number}.yml").write_text(changed_rules(*change))
    promtool("check", "rules", *map(str, tmp_path.iterdir()))


@pytest.mark.parametrize("alert", [alert["alert"] for alert in ALERTS])
def test_the_cases_of_an_alert_hold_alone(tmp_path: Path, alert: str) -> None:
    assert holds(tmp_path, alert, RULES)


@pytest.mark.nightly
@pytest.mark.parametrize(("alert", "old", "new"), CHANGES, ids=lambda value: re.sub(r"\s", "", value)[:30])
def test_the_cases_notice_another_threshold_or_duration(
    tmp_path: Path, alert: str, old: str, new: str
) -> None:
    assert not holds(tmp_path, alert, changed_rules(alert, old, new))


def holds(tmp_path: Path, alert: str, rules: str) -> bool:
    """Whether the cases of the alert pass with its own rule among these; the other rules take time only."""
    groups = yaml.safe_load(rules)["groups"]
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if rule["alert"] == alert]
    cases = [test for test in RULE_TESTS if test["name"].startswith(f"{alert} ")]
    # Where an alert takes a day, every minute of it is more than is needed.
    interval = "5m" if alert == RATE else "1m"
    of_it = {"rule_files": ["alerts.yml"], "evaluation_interval": interval, "tests": cases}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": groups}))
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(of_it))
    command = ["promtool", "test", "rules", str(tmp_path / "alerts_test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == ("FAILED" not in done.stdout + done.stderr), done.stdout + done.stderr
    return done.returncode == 0


# Alerts


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_what_exists_and_says_what_to_do(
    alert: dict[str, Any], scraped: dict[str, set[str]]
) -> None:
    assert unknown(alert["expr"], scraped) == []
    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["labels"]["team"] in TEAMS
    page, _, section = alert["annotations"]["runbook"].partition("#")
    assert (page, section) == ("docs/runbook.md", slug(alert["alert"]))
    assert section in headings()
    told = alert["annotations"]["summary"] + alert["annotations"]["description"]
    assert "$value" in told
    labels = labels_of_result(alert["expr"])
    for label in re.findall(r"\$labels\.(\w+)", told):
        assert label in ({"instance", "job"} if labels is None else labels)
    if labels is not None:
        assert all(f"$labels.{label}" in told for label in labels), "which one is not said"


def test_the_runbook_has_a_section_for_each_alert_and_no_alert_that_there_is_not() -> None:
    sections = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    assert [each for each in sections if each.startswith("Premade")] == [alert["alert"] for alert in ALERTS]


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        path, _, section = target.partition("#")
        assert not path or (ROOT / "docs" / path).exists(), target
        assert not section or section in headings(), target


def test_the_queries_of_the_runbook_name_what_exists(scraped: dict[str, set[str]]) -> None:
    queries = in_the_runbook("promql")
    assert queries
    assert [wrong for query in queries for wrong in unknown(query, scraped)] == []


def test_the_sql_of_the_runbook_runs(dsn: str) -> None:
    statements = in_the_runbook("sql")
    assert statements
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on")
        for statement in statements:
            assert connection.execute(statement.encode()).description


def test_the_commands_of_the_runbook_exist_with_their_options() -> None:
    commands = [
        line.partition("  #")[0].split()[1:]
        for block in in_the_runbook("sh")
        for line in block.splitlines()
        if line.startswith("premade ")
    ]
    assert commands
    for words in commands:
        command = list(itertools.takewhile(lambda word: not word.startswith(("-", '"')), words))
        told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
        assert told.exit_code == 0, command
        for option in words:
            assert not option.startswith("--") or option in told.output, (command, option)


# The dashboard


def test_the_dashboard_names_what_exists(scraped: dict[str, set[str]]) -> None:
    queries = queries_of_the_dashboard()
    assert len(queries) >= len(PANELS)
    assert [(title, wrong) for title, query, _ in queries for wrong in unknown(query, scraped)] == []


def test_the_legends_of_the_dashboard_name_labels_of_their_results(scraped: dict[str, set[str]]) -> None:
    for title, query, legend in queries_of_the_dashboard():
        labels = labels_of_result(query)
        if labels is None:
            labels = set.union(*(scraped[metric] for named in named_in(query) for metric in named.metrics))
        for label in re.findall(r"\{\{(\w+)\}\}", legend):
            assert label in labels, (title, label)


def test_promtool_accepts_every_query_of_dashboard_and_runbook(tmp_path: Path) -> None:
    queries = [query for _, query, _ in queries_of_the_dashboard()] + in_the_runbook("promql")
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_the_variables_of_the_dashboard_are_found_and_used(scraped: dict[str, set[str]]) -> None:
    assert [variable["name"] for variable in VARIABLES] == ["DS_PROMETHEUS", "partner", "product_id"]
    assert VARIABLES[0]["type"] == "datasource"
    assert VARIABLES[0]["query"] == "prometheus"
    for variable in VARIABLES[1:]:
        asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
        assert asked
        assert asked[2] == variable["name"]
        assert variable["name"] in scraped[asked[1]]
    text = json.dumps(DASHBOARD)
    assert (
        set(re.findall(r"\$(?:\{)?([a-zA-Z]\w*)", text)) - {"DS_PROMETHEUS", "partner", "product_id"} == set()
    )
    for title, query, _ in queries_of_the_dashboard():
        raw = next(t["expr"] for p in PANELS for t in p["targets"] if without_variables(t["expr"]) == query)
        for metric in next(named_in(query)).metrics:
            if metric.startswith("ota_tickets_"):
                assert "$partner" in raw, title
            if metric.startswith(("ota_tickets_", "premade_allotment_")):
                assert "$product_id" in raw, title


def test_every_panel_and_query_uses_the_chosen_datasource() -> None:
    chosen = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    for panel in PANELS:
        assert panel["datasource"] == chosen, panel["title"]
        assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboard_has_its_rows_and_no_panel_covers_another() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Sales", "Stock", "Service"]
    covered: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])):
            assert cell not in covered, f"{panel['title']} lies on {covered.get(cell)}"
            covered[cell] = panel["title"]
    height = max(y for _, y in covered) + 1
    assert len(covered) == 24 * height, "there is a hole"


def test_the_dashboard_shows_every_metric_of_the_service(scraped: dict[str, set[str]]) -> None:
    shown = {metric for _, query, _ in queries_of_the_dashboard() for metric in next(named_in(query)).metrics}
    families = {
        re.sub(r"_(bucket|sum|count)$", "", metric) for metric in scraped if metric not in OF_PROMETHEUS
    }
    assert families - {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in shown} == set()


# The reading of expressions itself


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("nothing", ["there is no metric nothing"]),
        ("rate(nothing_total[5m])", ["there is no metric nothing_total"]),
        ('premade_database_up{route="x"}', ["premade_database_up has no label route"]),
        ("sum by (route) (rate(premade_refusals_total[5m]))", ["premade_refusals_total has no label route"]),
        (
            "premade_database_up and on (code) premade_refusals_total",
            ["premade_database_up has no label code"],
        ),
        (
            "premade_http_request_duration_seconds",
            ["there is no metric premade_http_request_duration_seconds"],
        ),
        ('sum by (code) (premade_refusals_total{code="by (x) {y}", instance!~"a"}) > 5 * 1e3', []),
    ],
)
def test_what_does_not_exist_is_noticed(
    expression: str, wrong: list[str], scraped: dict[str, set[str]]
) -> None:
    assert unknown(expression, scraped) == wrong
