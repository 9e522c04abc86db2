"""The only place that wires things together: the HTTP application."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from premade.activation import routes as activation
from premade.activation.activate import Activator
from premade.base.edge import Edge
from premade.base.logs import log, start_logging
from premade.base.settings import Settings
from premade.base.work import Database, open_database
from premade.base.world import World
from premade.batches import routes as batches
from premade.document.routes import document_routes
from premade.generation import routes as generation
from premade.generation.generate import Generator
from premade.monitoring.fold import fold_for_ever
from premade.monitoring.routes import monitoring_routes
from premade.orders import routes as orders
from premade.partners.keyring import Keyring
from premade.stock import routes as stock
from premade.tickets import routes as tickets
from premade.tickets.signing import Signers

PARENT_VARIABLE = "PREMADE_PARENT_PID"
PARENT_CHECK_SECONDS = 0.5
GARBAGE_OBJECTS_A_LOOK = 20_000
CANCEL_AGAIN_SECONDS = 0.5
CANCELLATIONS_MAX = 20
DESCRIPTION = """Pre-made tickets for online travel agencies: generate in bulk, activate exactly once.

Authenticate with your key in `X-API-Key`. Send an `Idempotency-Key` with what writes: then a retry after a lost
answer gives the same answer again. Every refusal is `application/problem+json` with a stable `code`; [the list of
errors](/problems) says what each means and what to do. Times are RFC 3339 in UTC, amounts of money are strings with
two decimals, and further members may be added to answers at any time."""
FEATURES = (generation, activation, tickets, batches, orders, stock)


def services(database: Database, world: World) -> dict[type[Any], Any]:
    """What a process keeps one of."""
    return {
        World: world,
        Keyring: Keyring(database, world),
        Generator: Generator(database, world, Signers(database, world)),
        Activator: Activator(database, world),
    }


def make_app(settings: Settings, world: World) -> ASGIApp:
    """The application of one worker. `settings` must name a database."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        assert settings.database_url is not None
        async with open_database(settings.database_url, settings.database_connections_per_worker) as database:
            app.state.database = database
            app.state.services = services(database, world)
            folding = asyncio.create_task(fold_for_ever(database, world))
            _spare_the_collector()
            yield
            await _end(folding)

    app = FastAPI(
        title="premade",
        version=version("premade"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # Ours are in `document`: FastAPI's pages load assets from elsewhere, and its document is of OpenAPI 3.1.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.world = world
    for feature in FEATURES:
        app.router.routes.extend(feature.router.routes)
    app.router.routes.extend(monitoring_routes())
    app.router.routes.extend(document_routes(app))
    return Edge(app, world)


def _spare_the_collector() -> None:
    """What is there by now stays; a request leaves little garbage in cycles, so a look now and then is enough."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS_A_LOOK, 20, 20)


async def _end(task: asyncio.Task[None]) -> None:
    """A cancellation that falls into the rollback of a failed transaction is lost, so it is said until it is heard."""
    for _ in range(CANCELLATIONS_MAX):
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
        if task.done():
            return
    log.warning("figures.fold_left_behind")


def _leave_with_parent() -> None:
    """A parent that is killed outright cannot stop its workers; they must not keep the port."""
    # Told by the parent itself: it may be gone before this is asked.
    parent = int(os.environ[PARENT_VARIABLE])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="leave-with-parent").start()


def worker_app() -> ASGIApp:
    """Called by uvicorn in each worker process; everything comes from the environment."""
    _leave_with_parent()
    settings = Settings()
    start_logging(settings.log_format, mask_customer_email=settings.log_mask_customer_email)
    return make_app(settings, World(settings.zone))
