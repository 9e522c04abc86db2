"""The report of a run: figures by kind of fault and by kind of request, in a text for people."""

import os
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from torture.single.faults import KINDS, TWO_AT_ONCE
from torture.single.run import READY_SECONDS_MAX, Plan, Result, Round

TEMPLATE = Path(__file__).with_name("reliability.md")
_DISCREPANCIES_MAX = 50


def report(results: Sequence[Result], plan: Plan) -> str:
    """Return the page docs/reliability.md."""
    rounds = [each for result in results for each in result.rounds]
    late = sum(each.ready_after > READY_SECONDS_MAX for each in rounds)
    return Template(TEMPLATE.read_text()).substitute(
        requests=f"{_sum(results, 'requests'):,}",
        attempts=f"{_sum(results, 'statuses'):,}",
        faults=len(rounds),
        kinds=len({each.name for each in rounds}),
        minutes=f"{sum(result.seconds for result in results) / 60:.0f}",
        seed=plan.seed,
        verdict=_verdict(results),
        late=f"{late} of the {len(rounds)} faults" if late else "No fault",
        ready_max=f"{max((each.ready_after for each in rounds), default=0):.1f}",
        forms=_forms(results),
        requests_table=_requests(results),
        faults_table=_faults(results),
        pairs_table=_pairs(rounds),
        statuses_table=_statuses(results),
        not_done=_not_done(results),
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, Python {platform.python_version()}",
    )


def _sum(results: Sequence[Result], counter: str) -> int:
    return sum(getattr(result, counter).total() for result in results)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _verdict(results: Sequence[Result]) -> str:
    found = [discrepancy for result in results for discrepancy in result.discrepancies]
    if not found:
        return "**Nothing was lost, nothing was done twice, and no rule was broken.**"
    discrepancies = "1 discrepancy" if len(found) == 1 else f"{len(found)} discrepancies"
    lines = [f"**The checker found {discrepancies}:**", ""]
    return "\n".join([*lines, *(f"- {each}" for each in found[:_DISCREPANCIES_MAX])])


def _forms(results: Sequence[Result]) -> str:
    head = [
        "PostgreSQL",
        "requests",
        "faults",
        "minutes",
        "requests a second",
        "tickets",
        "orders",
        "events compared",
    ]
    return _table(
        head,
        (
            [
                f"{result.kind}, {result.version}",
                f"{result.requests.total():,}",
                len(result.rounds),
                f"{result.seconds / 60:.0f}",
                f"{result.requests.total() / result.seconds:,.0f}",
                *(f"{result.rows[name]:,}" for name in ("tickets", "orders", "audit events")),
            ]
            for result in results
        ),
    )


def _requests(results: Sequence[Result]) -> str:
    requests, answered = Counter[str](), Counter[str]()
    for result in results:
        requests += result.requests
        answered += result.answered
    rows = (
        [kind.replace("_", " "), f"{count:,}", f"{answered[kind]:,}"]
        for kind, count in requests.most_common()
    )
    return _table(["kind", "requests", "of these executed"], rows)


def _statuses(results: Sequence[Result]) -> str:
    statuses = Counter[str]()
    for result in results:
        statuses += result.statuses
    meanings = {
        "200": "executed, or read",
        "201": "executed",
        "409": "refused by a rule, such as a ticket that is sold already",
        "429": "too many requests of this kind at once; the client tried again",
        "503": "not available; the client tried again",
        "lost": "the connection broke, or nothing came in time; the client tried again",
    }
    rows = ([status, f"{count:,}", meanings.get(status, "")] for status, count in sorted(statuses.items()))
    return _table(["response", "attempts", "meaning"], rows)


def _faults(results: Sequence[Result]) -> str:
    names = [kind.fault.name for kind in KINDS] + [TWO_AT_ONCE]
    descriptions = {kind.fault.name: kind.fault.description for kind in KINDS}
    descriptions[TWO_AT_ONCE] = "two kinds that break different parts, the second 0.7 s later"
    by_name: dict[str, list[Round]] = defaultdict(list)
    by_form: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for each in result.rounds:
            by_name[each.name].append(each)
            by_form[each.name][result.kind] += 1
    head = [
        "fault",
        "what happens",
        *(result.kind for result in results),
        "ready, median",
        "worst",
        "longest gap",
    ]
    return _table(
        head,
        (
            [
                name,
                descriptions[name],
                *(by_form[name][result.kind] for result in results),
                f"{statistics.median(each.ready_after for each in by_name[name]):.1f} s",
                f"{max(each.ready_after for each in by_name[name]):.1f} s",
                f"{max(each.gap for each in by_name[name]):.1f} s",
            ]
            for name in names
            if name in by_name
        ),
    )


def _pairs(rounds: Iterable[Round]) -> str:
    pairs = (each for each in rounds if each.name == TWO_AT_ONCE)
    return _table(
        ["two at once", "ready after"], ([each.description, f"{each.ready_after:.1f} s"] for each in pairs)
    )


def _not_done(results: Sequence[Result]) -> str:
    missing = [[name, result.kind] for result in results for name in _missing(result)]
    return _table(["fault", "PostgreSQL"], missing) if missing else "Every kind came in each form."


def _missing(result: Result) -> Iterator[str]:
    done = {each.name for each in result.rounds}
    yield from (kind.fault.name for kind in KINDS if kind.fault.name not in done)
