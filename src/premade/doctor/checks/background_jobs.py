"""When each background job ran last."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.doctor.checks.processes import UNNAMED_VERSION, connected_workers
from premade.postgres.background_runs import is_overdue, last_runs

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def in_words(seconds: float) -> str:
    """Return a duration in its largest unit: `3 minutes`."""
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _jobs(installation: Installation) -> list[str]:
    """Return the names of the jobs of a worker with these settings."""
    from premade.app import FEATURES  # noqa: PLC0415  (the application takes a second to import)

    return [
        task.name
        for feature in FEATURES
        for task in feature.background
        if task.needs_schema and task.runs_here(installation.settings)
    ]


async def _examine(installation: Installation) -> Sequence[Result]:
    runs = {run.job: run for run in await last_runs(installation.database)}
    facts = {job: f"{in_words(run.age_seconds)} ago" for job, run in runs.items()}
    workers = await connected_workers(installation.database)
    if not workers:
        return [result("idle", facts)]
    if all(worker.version == UNNAMED_VERSION for worker in workers):
        return [result("not_noted", version=UNNAMED_VERSION)]
    jobs = _jobs(installation)
    faults = [
        result("overdue", job=job, age=in_words(run.age_seconds), pause=in_words(run.pause_seconds))
        for job in jobs
        if (run := runs.get(job)) is not None and is_overdue(run)
    ]
    faults += [result("never", job=job) for job in jobs if job not in runs]
    return faults or [result("ok", facts, jobs=len(jobs))]


BACKGROUND_JOBS = Check("background_jobs", _examine, Needs.SCHEMA)
