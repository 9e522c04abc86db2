"""A command that is killed at any step: no event is lost or doubled, and the next run completes the work."""

import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.old_months import KEPT, OLD, OLDEST, archive, events, old_shop
from support.service import environment_for
from support.shop import Shop
from support.terminal import Operator

from premade.cli import archive as archive_command
from premade.cli import main
from premade.cli.atomic_files import AtomicFiles
from premade.postgres.event_archive import move
from premade.postgres.event_archive.block_file import BlockWriter
from premade.postgres.event_archive.manifest import events_path, months_in
from premade.postgres.event_archive.search import search_month

STEPS: list[tuple[Any, str]] = [
    (archive_command, "_create"),
    (AtomicFiles, "begin"),
    (AtomicFiles, "finish"),
    (BlockWriter, "finish"),
    (move, "compare"),
    (move, "with_short_lock"),
    (archive_command, "remove_partition"),
]
"""Functions that one run calls. The process is killed before or after one of these calls."""


def killed_at(number: int, dsn: str, folder: Path) -> bool:
    """Run the command in a process that kills itself at the step with this number. Return whether it reached that step."""
    child = os.fork()
    if child == 0:
        become_command(number, dsn, folder)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, -signal.SIGKILL}
    return code != 0


def become_command(number: int, dsn: str, folder: Path) -> NoReturn:
    calls = itertools.count()

    def step() -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in STEPS:
        setattr(owner, name, with_steps(getattr(owner, name), step))
    os.environ.update(environment_for(dsn))
    sys.argv = ["premade", "archive", "--before", str(KEPT), "--into", str(folder), "--yes", "--json"]
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    code = 3
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = int(bool(ended.code))
    finally:
        os._exit(code)


def with_steps(function: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    """Return the function with a step before and after each call."""

    async def finish(pending: Any) -> Any:
        result = await pending
        step()
        return result

    def call(*arguments: Any, **named: Any) -> Any:
        step()
        result = function(*arguments, **named)
        if inspect.isawaitable(result):
            return finish(result)
        step()
        return result

    return call


def found(shop: Shop, folder: Path) -> set[int]:
    """The ids of the events in the database and in the files of months that are not there. None may be in both."""
    in_database = {row["event_id"] for row in events(shop)}
    archived = {row["month"].strftime("%Y-%m") for row in shop.sql("SELECT month FROM audit_archives")}
    in_files: list[int] = [
        event["event_id"]
        for month in months_in(folder)
        if str(month) in archived
        for event in search_month(folder, month, {})
    ]
    assert len(in_files) == len(set(in_files))
    assert in_database.isdisjoint(in_files)
    assert archived <= {str(month) for month in months_in(folder)}
    return in_database.union(in_files)


@pytest.mark.nightly
def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(dsn: str, tmp_path: Path) -> None:
    with old_shop(dsn) as (shop, _, _):
        before = events(shop)
        everything = {row["event_id"] for row in before}
        kills = 0
        folder = tmp_path
        for number in itertools.count():
            folder = tmp_path / str(number)
            was_killed = killed_at(number, shop.dsn, folder)
            assert found(shop, folder) == everything, number
            # A file that the kill left is completed or used.
            assert (
                Operator(shop.dsn)
                .run("archive", "--before", str(KEPT), "--into", str(folder), "--yes")
                .returncode
                == 0
            )
            assert found(shop, folder) == everything, number
            assert months_in(folder) == [OLDEST, OLD], number
            assert not list(folder.glob(".*.part")), number
            for month in (OLDEST, OLD):
                Operator(shop.dsn).does("archive", "restore", str(month), "--from", str(folder))
            assert events(shop) == before, number
            if not was_killed:
                break
            kills += 1
        # Each step was met, before it and after it, some for both months.
        assert kills > 2 * len(STEPS)
        assert events_path(folder, OLD).exists()
        assert archive(shop, folder)
