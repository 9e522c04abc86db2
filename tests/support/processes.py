"""The processes of a running service, and waiting for something to hold."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import psutil
import psycopg

from support.service import Service

SECONDS_MAX = 120


def workers(service: Service) -> list[psutil.Process]:
    return workers_of(psutil.Process(service.process.pid))


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The children of the fork server."""
    found: list[psutil.Process] = []
    for child in parent.children():
        # One that has just ended, also a zombie.
        with suppress(psutil.NoSuchProcess):
            if "forkserver" in " ".join(child.cmdline()):
                found += [worker for worker in child.children() if lives(worker)]
    return found


def lives(process: psutil.Process) -> bool:
    """A zombie has ended; only its parent has not looked yet."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: list[psutil.Process]) -> None:
    wait_until(lambda: not any(lives(process) for process in processes), "a worker stays")


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, otherwise


@contextmanager
def frozen(dsn: str) -> Generator[None]:
    """All processes of the PostgreSQL server stand still for the duration of the block."""
    with psycopg.connect(dsn) as connection:
        postmaster = psutil.Process(connection.info.backend_pid).parent()
    assert postmaster is not None
    server = [postmaster, *postmaster.children()]
    for process in server:
        process.suspend()
    try:
        yield
    finally:
        for process in server:
            # It may have ended a moment before.
            with suppress(psutil.NoSuchProcess):
                process.resume()
