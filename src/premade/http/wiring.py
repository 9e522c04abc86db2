"""A feature of the service: the routes, services and background tasks of one folder.

Each feature folder has a module `feature.py` with one `FEATURE`. `app.py` lists the features and wires all of them in
the same way. `FEATURE` is not in the folder's `__init__.py`: then every import from the folder would import its routes,
and FastAPI with them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from premade.http.connection_limits import Clients
from premade.postgres.database import Database
from premade.runtime.background import Turn
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings

Service = TypeVar("Service")


@dataclass
class Process:
    """One process of the service: its database, settings and services, for the features."""

    database: Database
    runtime: Runtime
    settings: Settings
    clients: Clients
    """Its client connections, and whether it is about to stop."""
    features: Sequence["Feature"]
    services: dict[type[Any], Any] = field(default_factory=dict[type[Any], Any])
    """The services created so far, by their class."""

    def __post_init__(self) -> None:
        self.stock_writes = self.database.for_blocking_writes()
        """The database for writes that may wait for an allotment's row lock. They share one limit."""
        self.services[Runtime] = self.runtime
        self._factories = {kind: make for feature in self.features for kind, make in feature.services.items()}

    def use(self, kind: type[Service]) -> Service:
        """Return the service of this class; create it at the first call."""
        if kind not in self.services:
            self.services[kind] = self._factories[kind](self)
        return self.services[kind]

    def make_services(self) -> dict[type[Any], Any]:
        """Return all services of the features, by their class."""
        for kind in self._factories:
            self.use(kind)
        return self.services


def _always(_: Settings) -> bool:
    return True


@dataclass(frozen=True)
class BackgroundTask:
    """Work that a process repeats beside its requests."""

    name: str
    """Its lines in the log are named `<name>_postponed` and `<name>_failed`."""
    prepare: Callable[[Process], Turn]
    """Returns the function that is called again and again (`runtime.background.repeat`)."""
    seconds_after_failure: float
    needs_schema: bool = True
    """Whether it begins only when the database has answered with the schema of this version."""
    runs_here: Callable[[Settings], bool] = _always
    """Whether a process with these settings has the task."""
    runs_at_end: bool = False
    """Whether it has one more turn when the process stops, so that no counts in memory are lost."""


def _no_pages(_: FastAPI) -> Sequence[BaseRoute]:
    return ()


@dataclass(frozen=True)
class Feature:
    """The parts that one folder adds to the service. Each is optional."""

    routers: Sequence[APIRouter] = ()
    """JSON endpoints, in the order of the API document."""
    pages: Callable[[FastAPI], Sequence[BaseRoute]] = _no_pages
    """Returns the routes that are not JSON endpoints. The application has the routes of all features before this one."""
    services: Mapping[type[Any], Callable[[Process], Any]] = field(
        default_factory=dict[type[Any], Callable[[Process], Any]]
    )
    """For each service, a function that creates it; a process has one of each. A service may use those of other features."""
    background: Sequence[BackgroundTask] = ()
