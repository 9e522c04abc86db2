"""The HTTP application: the one place that lists the features and wires them together."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from premade.activation.feature import FEATURE as ACTIVATION
from premade.api_docs.feature import FEATURE as API_DOCS
from premade.api_docs.introduction import INTRODUCTION
from premade.batches.feature import FEATURE as BATCHES
from premade.cancellation.feature import FEATURE as CANCELLATION
from premade.console.feature import FEATURE as CONSOLE
from premade.customers.feature import FEATURE as CUSTOMERS
from premade.devices.feature import FEATURE as DEVICES
from premade.expiry.feature import FEATURE as EXPIRY
from premade.export.feature import FEATURE as EXPORT
from premade.generation.feature import FEATURE as GENERATION
from premade.http.connection_limits import Clients
from premade.http.gateway import Gateway
from premade.http.wiring import BackgroundTask, Feature, Process
from premade.limits.feature import FEATURE as LIMITS
from premade.monitoring.feature import FEATURE as MONITORING
from premade.monitoring.readiness import Readiness
from premade.offline.feature import FEATURE as OFFLINE
from premade.orders.feature import FEATURE as ORDERS
from premade.partners.feature import FEATURE as PARTNERS
from premade.postgres.background_runs import with_runs_stored
from premade.postgres.database import open_database
from premade.redemption.feature import FEATURE as REDEMPTION
from premade.reissue.feature import FEATURE as REISSUE
from premade.runtime.background import end_task, repeat
from premade.runtime.clock import Runtime
from premade.runtime.errors import Unavailable
from premade.runtime.logging import log
from premade.runtime.settings import Settings
from premade.staff.feature import FEATURE as STAFF
from premade.stock.feature import FEATURE as STOCK
from premade.texts.languages import Choice, language_of_tag
from premade.throttle.feature import FEATURE as THROTTLE
from premade.tickets.feature import FEATURE as TICKETS

FEATURES = (
    PARTNERS,
    LIMITS,
    STAFF,
    THROTTLE,
    GENERATION,
    ACTIVATION,
    CANCELLATION,
    REISSUE,
    EXPIRY,
    CUSTOMERS,
    TICKETS,
    BATCHES,
    EXPORT,
    ORDERS,
    STOCK,
    DEVICES,
    REDEMPTION,
    OFFLINE,
    MONITORING,
    API_DOCS,
    CONSOLE,
)
"""In the order of the API document. The documentation covers only the features before it."""
GARBAGE_OBJECTS_A_LOOK = 20_000
"""New objects after which Python looks for garbage; its own default is 700."""
DATABASE_WAIT_SECONDS = 5.0
"""How long a new worker waits for its database before it accepts requests anyway."""


def make_app(
    settings: Settings,
    runtime: Runtime,
    clients: Clients | None = None,
    features: Sequence[Feature] = FEATURES,
) -> ASGIApp:
    """Return the application of one worker. `settings` must name a database, which may be unreachable.

    `clients` says whether the worker is about to stop.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        assert settings.database_url is not None
        async with open_database(
            settings.database_url,
            settings.database_connections_per_worker,
            waits=False,
            replica_dsn=settings.replica_url,
            by_partner=settings.statements_by_partner,
        ) as database:
            process = Process(database, runtime, settings, clients or Clients(), features)
            app.state.database = database
            app.state.services = process.make_services()
            async with _background(process):
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.use(Readiness).admitted.wait(), DATABASE_WAIT_SECONDS)
                _collect_garbage_rarely()
                yield

    app = FastAPI(
        title="premade",
        version=version("premade"),
        description=INTRODUCTION,
        lifespan=lifespan,
        # `api_docs` has our own: FastAPI's pages load assets from other sites, and its document is OpenAPI 3.1.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.languages = Choice(language_of_tag(settings.language))
    for feature in features:
        for router in feature.routers:
            app.router.routes.extend(router.routes)
        app.router.routes.extend(feature.pages(app))
    return Gateway(app, runtime, clients, trusts_proxies=bool(settings.trusted_proxies))


@asynccontextmanager
async def _background(process: Process) -> AsyncGenerator[None]:
    """Run the background tasks of the features for the duration of the block."""
    all_tasks = [task for feature in process.features for task in feature.background]
    tasks = [task for task in all_tasks if task.runs_here(process.settings)]
    if left := [task.name for task in all_tasks if task not in tasks]:
        log.info("background.not_run_here", tasks=left)
    running = [asyncio.create_task(_run(task, process), name=task.name) for task in tasks]
    yield
    await asyncio.gather(*map(end_task, running))
    for task in tasks:
        if task.runs_at_end:
            with suppress(Unavailable):
                await task.prepare(process)()


async def _run(task: BackgroundTask, process: Process) -> None:
    if task.needs_schema:
        await process.use(Readiness).admitted.wait()
    turn = task.prepare(process)
    if task.needs_schema:
        turn = with_runs_stored(process.database, task.name, turn)
    await repeat(task.name, turn, task.seconds_after_failure)


def _collect_garbage_rarely() -> None:
    """Exempt all objects of the start from garbage collection, and collect rarely: requests leave few reference cycles."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS_A_LOOK, 20, 20)
