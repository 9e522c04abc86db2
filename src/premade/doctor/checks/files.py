"""How many files a worker may open: each client connection is one."""

import math
import resource
from collections.abc import Sequence

import psutil

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.doctor.checks.processes import connected_workers
from premade.http.connection_limits import FILES_KEPT_BACK
from premade.postgres.application_name import this_process
from premade.runtime.settings import Settings

WORKERS_BY_DEFAULT = 2


def judged(process: str, limit: int, workers: int, settings: Settings) -> Result:
    """Return the result for a process with this hard limit of open files, one of `workers`."""
    needed = FILES_KEPT_BACK + settings.database_connections_per_worker
    connections = math.ceil(settings.connections_max / workers)
    if limit == resource.RLIM_INFINITY:
        return result("unlimited", process=process)
    if limit <= needed:
        return result("too_few", process=process, limit=limit, needed=needed)
    if limit < needed + connections:
        return result("low", process=process, limit=limit, connections=connections, accepted=limit - needed)
    return result("ok", process=process, limit=limit)


async def _examine(installation: Installation) -> Sequence[Result]:
    settings = installation.settings
    pids = await _workers_here(installation)
    results = [judged(f"Worker {pid}", limit, len(pids), settings) for pid in pids if (limit := _limit(pid))]
    if results:
        return results
    # `premade serve` raises the soft limit to the hard one.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [judged("A service started from this shell", hard, WORKERS_BY_DEFAULT, settings)]


async def _workers_here(installation: Installation) -> list[int]:
    if installation.database_if_reached is None:
        return []
    host = this_process("worker").host
    return [worker.pid for worker in await connected_workers(installation.database) if worker.host == host]


def _limit(pid: int) -> int | None:
    """Return the limit of a process; None if it cannot be read: it belongs to somebody else, or this is not Linux."""
    try:
        return psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)[1]
    except (psutil.Error, AttributeError):
        return None


FILES = Check("files", _examine, Needs.SETTINGS)
