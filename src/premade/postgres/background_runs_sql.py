"""Statements of `background_runs.sql`, and their rows."""

from dataclasses import dataclass
from datetime import timedelta

from premade.postgres.statements import statements_of

statement = statements_of(__file__)


@dataclass(slots=True)
class BackgroundRun:
    job: str
    age_seconds: float
    pause_seconds: float


@statement
def store_run(*, job: str, pause_seconds: float, apart: timedelta) -> None: ...


@statement
def background_runs() -> BackgroundRun: ...
