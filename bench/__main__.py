"""The benchmark: `python -m bench [--quick]`. It writes docs/performance.md and docs/performance.json."""

import argparse
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench import report
from bench.console import slowest_page_ms
from bench.figures import Figures
from bench.load import Load, wrk
from bench.operations import (
    MANY,
    ONE,
    SOME,
    TEN_THOUSAND,
    WARM_UP_SECONDS,
    activate,
    assert_each_counted,
    ceiling,
    generate,
    list_pages,
    redeem,
    redeem_ceiling,
    refuse,
)
from bench.place import FOLDER, ROOT, STRIDE, TEN_MILLION, Place, make_database, service_on, ten_million
from premade.postgres.embedded import embedded_postgres

FRESH = 80_000
"""Number of newest tickets, which most sales are about. The stride is coprime to it, so consecutive sales are far apart."""
FRESH_STRIDE = 30_901
SIZE_TURNS = 4
"""Comparisons of the two sizes in a round."""
SIZE_WARM_UP_TURNS = 4
"""Measurements of the large database before that. The first change of a page after a checkpoint writes the whole page to
the WAL.
"""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: int
    turns_alone: int
    """Measurements of one client in a round, a second each."""
    large: bool
    """Whether to measure with 10 million tickets, and against pgbench with its best number of clients."""


FULL = Plan(rounds=3, seconds=6, turns_alone=3, large=True)
QUICK = Plan(rounds=3, seconds=2, turns_alone=1, large=False)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def redemptions(place: Place, figures: Figures, number: int, seconds: int) -> None:
    """Measure the gate and its ceiling; each comes first in every second round."""
    if number % 2:
        over_http, alone = redeem(place, MANY, seconds), redeem_ceiling(place, MANY, seconds)
    else:
        alone, over_http = redeem_ceiling(place, MANY, seconds), redeem(place, MANY, seconds)
    figures.redemptions.add(over_http.per_second)
    figures.redeem_p99.add(over_http.p99_ms)
    figures.redeem.add(over_http.per_second / alone.per_second)
    say(f"  {over_http.per_second:,.0f} redemptions/s, {figures.redeem.measured[-1]:.2f} × one statement")


def one_round(number: int, place: Place, figures: Figures, plan: Plan) -> None:
    """Measure service and ceilings. Each round begins with another one of them."""
    loads: dict[str, Load] = {}
    cpu = 0.0

    def over_http() -> None:
        nonlocal cpu
        before = place.cpu_seconds()
        loads["http"] = activate(place, MANY, plan.seconds)
        cpu = place.cpu_seconds() - before

    steps: list[Callable[[], None]] = [
        over_http,
        lambda: loads.update(five=ceiling(place, "five_statements.sql", MANY, plan.seconds)),
        lambda: loads.update(cte=ceiling(place, "one_cte.sql", MANY, plan.seconds)),
    ]
    if plan.large:
        steps += [
            lambda: loads.update(five_best=ceiling(place, "five_statements.sql", SOME, plan.seconds)),
            lambda: loads.update(cte_best=ceiling(place, "one_cte.sql", SOME, plan.seconds)),
        ]
    begin = 2 * number % len(steps)
    for step in steps[begin:] + steps[:begin]:
        step()
    http = loads["http"]
    figures.http.add(http.per_second)
    figures.p99.add(http.p99_ms)
    figures.activate_cpu.add(cpu * 1e6 / http.statuses[200])
    figures.pgbench_five.add(loads["five"].per_second)
    figures.pgbench_cte.add(loads["cte"].per_second)
    figures.five.add(http.per_second / loads["five"].per_second)
    figures.cte.add(http.per_second / loads["cte"].per_second)
    say(f"  {http.per_second:,.0f} activations/s, {figures.five.measured[-1]:.2f} × 5 statements, "
        f"{figures.cte.measured[-1]:.2f} × one CTE, p99 {http.p99_ms:.0f} ms")  # fmt: skip
    if plan.large:
        figures.five_best.add(http.per_second / loads["five_best"].per_second)
        figures.cte_best.add(http.per_second / loads["cte_best"].per_second)
        say(f"  against {SOME} clients of pgbench {figures.five_best.measured[-1]:.2f} and "
            f"{figures.cte_best.measured[-1]:.2f}")  # fmt: skip

    before = place.cpu_seconds()
    batches = generate(place, f"{number}", plan.seconds)
    figures.generate.add(batches.per_second * 100)
    figures.generate_cpu.add((place.cpu_seconds() - before) * 1e3 / batches.statuses[201])
    figures.refusals.add(refuse(place, max(2, plan.seconds // 2)).per_second / http.per_second)
    say(f"  {batches.per_second * 100:,.0f} tickets/s, refusals {figures.refusals.measured[-1]:.2f} × sales")
    redemptions(place, figures, number, plan.seconds)
    place.vacuum()
    one_client(place, figures, plan.turns_alone)


def one_client(place: Place, figures: Figures, turns: int) -> None:
    """Measure one client. The table was vacuumed a moment ago, so autovacuum does not run meanwhile."""
    for turn in range(turns):
        steps = [partial(activate, place, ONE, 1), partial(ceiling, place, "one_cte.sql", ONE, 1)]
        over_http, alone = _in_turn(turn, *steps)
        figures.one_p50.add(over_http.p50_ms)
        figures.one_client.add(over_http.p50_ms / alone.p50_ms)
    say(
        f"  one client {figures.one_p50.measured[-1]:.2f} ms, {figures.one_client.measured[-1]:.1f} × one CTE"
    )


def compare_sizes(number: int, small: Place, large: Place, figures: Figures) -> None:
    """Compare the two sizes, a second each: ten thousand tickets last no longer. Each comes first in every second turn."""
    fresh = large.fill(FRESH)
    of_fresh = partial(_spread, large, first=fresh, step=1, stride=FRESH_STRIDE, count=FRESH)
    # Now, so that no checkpoint comes during the measurement. The small database needs no warm-up: its pages are new.
    large.checkpoint()
    at_first, *_ = [of_fresh(turn=SIZE_TURNS + turn) for turn in range(SIZE_WARM_UP_TURNS)]
    of_few: list[float] = []
    for turn in range(SIZE_TURNS):
        small.empty()
        first = small.fill(TEN_THOUSAND)
        small.vacuum()
        few, many = _in_turn(
            number + turn,
            partial(_spread, small, turn=0, first=first, step=1, stride=1, count=TEN_THOUSAND),
            partial(of_fresh, turn=turn),
        )
        of_few.append(few.per_second)
        figures.activate_large.add(many.per_second / few.per_second)
        if turn % 2:
            run = f"{int(time.time())}-{number}-{turn}"
            few, many = _in_turn(
                number + turn // 2, partial(generate, small, run, 2), partial(generate, large, run, 2)
            )
            figures.generate_large.add(many.per_second / few.per_second)
    figures.activate_large_at_first.add(at_first.per_second / statistics.median(of_few))
    # Last, because PostgreSQL writes whole pages to the WAL for a long time after it.
    for _ in range(2):
        figures.activate_anywhere.add(_anywhere(large).per_second / statistics.median(of_few))
    figures.page.add(list_pages(large, 2).p50_ms)
    painted, name = slowest_page_ms(large)
    figures.paint.add(painted)
    figures.scrape.add(statistics.median(_scrape_ms(large) for _ in range(5)))
    say(f"  10 million: activations {figures.activate_large.value:.2f}, at first "
        f"{figures.activate_large_at_first.value:.2f}, anywhere "
        f"{figures.activate_anywhere.value:.2f}, batches {figures.generate_large.value:.2f}, "
        f"page {figures.page.value:.1f} ms, {name} {painted:.0f} ms, "
        f"scrape {figures.scrape.value:.0f} ms")  # fmt: skip


def _in_turn(number: int, *measure: Callable[[], Load]) -> list[Load]:
    """Return the measurements in the order given. Every second time, measure the last one first."""
    if number % 2:
        return _in_turn(0, *measure[::-1])[::-1]
    return [one() for one in measure]


def _anywhere(large: Place) -> Load:
    """Measure activations of tickets all over the ten million."""
    turn = large.take_old_turn()
    return _spread(large, turn=turn, first=1, step=2, stride=STRIDE, count=TEN_MILLION // 2)


def _spread(place: Place, turn: int, first: int, step: int, stride: int, count: int) -> Load:
    """Measure a second of activations of tickets that are `stride` apart; each turn takes others."""
    url, key = place.service.url, place.seller.key
    begin = turn * TEN_THOUSAND
    before = place.last_event()
    load = wrk(url, "activate.lua", key, begin, first, step, stride, count, clients=MANY, seconds=1)
    # Count events: the replay for a ticket that was sold before is no sale. Twice the clients, because the last sales of
    # the previous turn may have been committed late.
    assert_each_counted("activations", load.all_of(200), place.sales_after(before), 2 * MANY)
    return load


def _scrape_ms(place: Place) -> float:
    started = time.perf_counter()
    with urllib.request.urlopen(place.service.metrics_url, timeout=10) as answer:
        answer.read()
    return (time.perf_counter() - started) * 1000


def main() -> int:
    """Run the benchmark. Return 0, or 1 if a figure misses its minimum."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="90 seconds, without the 10 million tickets")
    plan = QUICK if parser.parse_args().quick else FULL
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures = Figures()
    with ExitStack() as stack:
        server = stack.enter_context(embedded_postgres(FOLDER / "postgres"))
        large = _large(stack, server) if plan.large else None
        started = time.monotonic()
        main_place = _place(stack, make_database(server, "sales"), "sales")
        small = _place(stack, make_database(server, "small"), "small") if plan.large else None
        main_place.fill(1)
        for place in (main_place, *([small] if small else [])):
            activate(place, MANY, WARM_UP_SECONDS)
            generate(place, "warm", WARM_UP_SECONDS)
            redeem(place, MANY, WARM_UP_SECONDS)
        main_place.vacuum()
        for number in range(plan.rounds):
            say(f"round {number + 1} of {plan.rounds}")
            one_round(number, main_place, figures, plan)
            figures.memory.add(main_place.worker_mebibytes())
        if large:
            say("reading the 10 million once")
            large.warm()
        # After the other rounds, so that VACUUM of the large table does not disturb them.
        for number in range(plan.rounds if small and large else 0):
            assert small
            assert large
            compare_sizes(number, small, large, figures)
        seconds = time.monotonic() - started
    report.write(figures, plan.rounds, seconds)
    missed = [figure.name for figure in figures.measured() if not figure.reaches(figure.must)]
    say(
        f"done in {seconds:.0f} s; missed: {', '.join(missed) or 'none'}; see {report.PAGE.relative_to(ROOT)}"
    )
    return 1 if missed else 0


def _large(stack: ExitStack, server: str) -> Place:
    note = FOLDER / "ten_million.json"
    place = _place(stack, ten_million(server, note), "ten_million")
    place.keep_in(note)
    return place


def _place(stack: ExitStack, dsn: str, name: str) -> Place:
    return stack.enter_context(service_on(dsn, FOLDER / f"{name}.log"))


if __name__ == "__main__":
    sys.exit(main())
