"""The workers that are connected to the database, and their versions."""

from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.application_name import ConnectedProcess, process_of
from premade.postgres.database import Database

UNNAMED_VERSION = "0.1.0 or earlier"
"""Up to this version connections did not name their process."""
UNNAMED = "premade"


async def connected_workers(database: Database) -> list[ConnectedProcess]:
    """Return the workers that are connected to this database. Those of version 0.1.0 appear as one."""
    async with database.single_statement() as tx:
        names = await tx.fetch_all(sql.application_names)
    named = [process for process in map(process_of, names) if process and process.kind == "worker"]
    unnamed = [ConnectedProcess(UNNAMED_VERSION, "worker", "?", 0)] if UNNAMED in names else []
    return [*named, *unnamed]


def in_words(workers: Sequence[ConnectedProcess]) -> str:
    """Return the number of workers with its noun."""
    return "1 worker" if len(workers) == 1 else f"{len(workers)} workers"


async def _examine(installation: Installation) -> Sequence[Result]:
    here = version("premade")
    by_version: dict[str, list[ConnectedProcess]] = defaultdict(list)
    for worker in await connected_workers(installation.database):
        by_version[worker.version].append(worker)
    return [_judged(of_version, workers, here) for of_version, workers in sorted(by_version.items())] or [
        result("none")
    ]


def _judged(of_version: str, workers: Sequence[ConnectedProcess], here: str) -> Result:
    by_host: dict[str, list[str]] = defaultdict(list)
    for worker in workers:
        by_host[worker.host].append(str(worker.pid))
    facts = {host: f"process {', '.join(pids)}" for host, pids in sorted(by_host.items())}
    if of_version == here:
        return result("ok", facts, workers=in_words(workers), version=here)
    return result("other_version", facts, workers=in_words(workers), version=of_version, here=here)


PROCESSES = Check("processes", _examine, Needs.DATABASE)
