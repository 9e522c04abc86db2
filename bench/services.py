"""Several services behind HAProxy on one PostgreSQL, whose processor time is limited: where the database is the limit."""

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
from support.balancer import balancer, free_ports
from support.service import environment_for, running_service

from bench.operations import MANY, activate_from, tickets_for
from bench.place import Place

DATABASE_CORES = 0.3
"""Processor time that PostgreSQL gets, so that the load of two cores reaches its limit."""
SERVICES = (1, 2, 3)
SECONDS = 6
_PERIOD_US = 100_000
_GROUPS = Path("/sys/fs/cgroup/cpu")


@dataclass(frozen=True)
class Measured:
    """Activations with a number of services. `database_cores`: processor time that PostgreSQL used per second."""

    services: int
    per_second: float
    p99_ms: float
    database_cores: float


def can_limit() -> bool:
    """Return whether this process may limit the processor time of another one (root, control groups of version 1)."""
    return os.access(_GROUPS / "cgroup.procs", os.W_OK)


@contextmanager
def limited(server: psutil.Process, cores: float) -> Generator[None]:
    """Limit the server and all its processes to so many cores for the duration of the block."""
    group = _GROUPS / f"premade-bench-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(round(cores * _PERIOD_US)))
        # First the server, so that its new processes begin in the group.
        for process in (server, *server.children()):
            _move(process.pid, group)
        yield
    finally:
        while members := (group / "cgroup.procs").read_text().split():
            for member in members:
                _move(int(member), _GROUPS)
        group.rmdir()


def _move(pid: int, group: Path) -> None:
    with suppress(ProcessLookupError):
        (group / "cgroup.procs").write_text(str(pid))


def server_of(dsn: str) -> psutil.Process:
    """Return the first process of the PostgreSQL server on this machine."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
    assert server is not None
    return server


def cpu_seconds(server: psutil.Process) -> float:
    """Return the processor time of the server so far, including its processes that have ended."""
    own = server.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in server.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            seconds += times.user + times.system
    return seconds


def with_services(place: Place, folder: Path) -> list[Measured]:
    """Measure activations with each number of services, of one worker each."""
    server = server_of(place.dsn)
    return [_measure(place, server, count, folder) for count in SERVICES]


def _measure(place: Place, server: psutil.Process, count: int, folder: Path) -> Measured:
    outside, *ports = free_ports(1 + count)
    with ExitStack() as stack:
        for port in ports:
            log = folder / f"service-{port}.log"
            stack.enter_context(running_service(environment_for(place.dsn), log, workers=1, port=port))
        url = stack.enter_context(balancer(outside, ports, folder))
        first = place.fill(tickets_for(MANY, SECONDS))
        place.vacuum()
        balanced = replace(place, service=replace(place.service, url=url))
        with limited(server, DATABASE_CORES):
            before = cpu_seconds(server)
            load = activate_from(balanced, first, MANY, SECONDS)
            used = cpu_seconds(server) - before
    return Measured(count, load.per_second, load.p99_ms, used / load.seconds)
