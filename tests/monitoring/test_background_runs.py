"""The last run of each background job is stored, rarely, and a failed turn is not."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support import operating
from support.postgres import own_database
from support.processes import wait_until
from support.shop import Shop

from premade.app import FEATURES
from premade.postgres.application_name import ConnectedProcess, process_of, this_process
from premade.postgres.background_runs import LATE_SECONDS_MAX, is_overdue, last_runs, with_runs_stored
from premade.postgres.background_runs_sql import BackgroundRun
from premade.postgres.database import Database
from premade.runtime.settings import Settings

PAUSE_SECONDS = 7.0


@pytest.fixture(scope="module")
def own(dsn: str) -> Iterator[str]:
    with own_database(dsn) as made:
        yield made


async def succeed() -> float:
    return PAUSE_SECONDS


async def fail() -> float:
    raise ArithmeticError


def notes_of(dsn: str, job: str) -> list[BackgroundRun]:
    return [run for run in operating.run(dsn, last_runs) if run.job == job]


def test_a_service_notes_every_job_of_its_workers(shop: Shop) -> None:
    tasks = [task for feature in FEATURES for task in feature.background]
    jobs = {task.name for task in tasks if task.needs_schema and task.runs_here(Settings())}

    wait_until(
        lambda: {run.job for run in operating.run(shop.dsn, last_runs)} >= jobs,
        "a job does not note its runs",
    )
    runs = operating.run(shop.dsn, last_runs)

    assert len(jobs) > 5
    assert not any(is_overdue(run) for run in runs)


def test_many_turns_and_many_processes_write_one_row_once(own: str) -> None:
    async def turns(database: Database) -> None:
        processes = [with_runs_stored(database, "often", succeed) for _ in range(3)]
        for _ in range(3):
            await asyncio.gather(*(turn() for turn in processes))

    operating.run(own, turns)

    [row] = Shop(own, "").sql("SELECT xmin::text, pause_seconds FROM background_runs WHERE job = 'often'")
    operating.run(own, turns)
    [later] = Shop(own, "").sql("SELECT xmin::text, pause_seconds FROM background_runs WHERE job = 'often'")
    assert later == row
    assert row["pause_seconds"] == PAUSE_SECONDS


def test_an_old_row_is_replaced_and_so_is_one_of_a_clock_that_went_back(own: str) -> None:
    for shift in ("-1 hour", "1 hour"):
        Shop(own, "").sql(
            "INSERT INTO background_runs VALUES ('odd', now() + %s::interval, 1)"
            " ON CONFLICT (job) DO UPDATE SET ended_at = excluded.ended_at RETURNING job",
            shift,
        )
        operating.run(own, lambda database: with_runs_stored(database, "odd", succeed)())

        [run] = notes_of(own, "odd")
        assert 0 <= run.age_seconds < 60


def test_a_failed_turn_is_not_stored(own: str) -> None:
    async def turn(database: Database) -> None:
        with pytest.raises(ArithmeticError):
            await with_runs_stored(database, "broken", fail)()

    operating.run(own, turn)

    assert notes_of(own, "broken") == []


def test_a_job_is_overdue_after_its_pause_and_three_minutes() -> None:
    assert not is_overdue(BackgroundRun("j", PAUSE_SECONDS + LATE_SECONDS_MAX, PAUSE_SECONDS))
    assert is_overdue(BackgroundRun("j", PAUSE_SECONDS + LATE_SECONDS_MAX + 1, PAUSE_SECONDS))


def test_a_connection_names_its_process_and_postgresql_does_not_cut_the_name(shop: Shop) -> None:
    long = replace(this_process("worker"), host="h" * 200)
    short = process_of(long.application_name)
    assert len(long.application_name) == 63
    assert short
    assert (short.version, short.kind, short.pid) == (long.version, "worker", long.pid)
    assert process_of("premade") is process_of("psql") is None

    names = {row["application_name"] for row in shop.sql("SELECT application_name FROM pg_stat_activity")}
    workers = {process for process in map(process_of, names) if process and process.kind == "worker"}
    assert {ConnectedProcess(each.version, "worker", each.host, each.pid) for each in workers} == workers
    assert len(workers) == 2
