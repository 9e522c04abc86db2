"""The only place that wires things together: the HTTP application."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from premade.activation import order_routes as activation_of_several
from premade.activation import routes as activation
from premade.activation.activate import Activator
from premade.activation.order import OrderMaker
from premade.api_docs.introduction import INTRODUCTION
from premade.api_docs.routes import document_routes
from premade.batches import routes as batches
from premade.cancellation import routes as cancellation
from premade.cancellation.cancel import Canceller
from premade.cancellation.cancel_batch import BatchCanceller
from premade.console.gate.passes import GatePasses
from premade.console.routes import console_routes
from premade.expiry.expire import expire_for_ever
from premade.export import routes as export
from premade.export.text import Exports
from premade.generation import routes as generation
from premade.generation.generate import Generator
from premade.generation.large import CONNECTIONS, LargeBatches, make_for_ever
from premade.http.connection_limits import Clients
from premade.http.gateway import Gateway
from premade.monitoring.readiness import Readiness
from premade.monitoring.refusals import write_refusals, write_refusals_for_ever
from premade.monitoring.rollup import fold_for_ever
from premade.monitoring.routes import monitoring_routes
from premade.offline import routes as offline
from premade.offline.snapshot import Snapshots
from premade.orders import routes as orders
from premade.partners.keyring import Keyring
from premade.postgres.database import Database, open_database
from premade.postgres.table_statistics import analyse_for_ever
from premade.redemption import routes as redemption
from premade.redemption.inspect import Inspector
from premade.redemption.manual import ManualEntries
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.sync import Syncer
from premade.reissue import routes as reissue
from premade.reissue.reissue import Reissuer
from premade.runtime.clock import Runtime
from premade.runtime.errors import Unavailable
from premade.runtime.logging import log
from premade.runtime.settings import Settings
from premade.staff.session import Sessions
from premade.stock import reservation_routes as reservations
from premade.stock import routes as stock
from premade.stock.reserve import Reservations
from premade.tickets import routes as tickets
from premade.tickets.incarnation import watch_incarnation_for_ever
from premade.tickets.signing import Signers, Verifiers

Background = Callable[[Database, Runtime], Coroutine[Any, Any, None]]
GARBAGE_OBJECTS_A_LOOK = 20_000
CANCEL_AGAIN_SECONDS = 0.5
DATABASE_WAIT_SECONDS = 5.0
"""How long a new worker waits for its database before it accepts requests anyway."""
CANCELLATIONS_MAX = 20
FEATURES = (
    generation,
    activation,
    activation_of_several,
    cancellation,
    reissue,
    tickets,
    batches,
    export,
    orders,
    stock,
    reservations,
    redemption,
    offline,
)


def services(database: Database, runtime: Runtime, rules: GateRules) -> dict[type[Any], Any]:
    """What a process keeps one of."""
    # What may wait for an allotment's row, on which all sales of a product from stock take turns.
    of_stock = database.for_blocking_writes()
    signers = Signers(database, runtime)
    verifiers = Verifiers(database, runtime)
    return {
        Runtime: runtime,
        GateRules: rules,
        Keyring: Keyring(database, runtime),
        Signers: signers,
        Generator: Generator(of_stock, runtime, signers),
        LargeBatches: LargeBatches(database, runtime, signers),
        Activator: Activator(database, runtime),
        OrderMaker: OrderMaker(database, runtime),
        Canceller: Canceller(of_stock, runtime),
        BatchCanceller: BatchCanceller(of_stock, runtime),
        Reissuer: Reissuer(database, runtime, signers),
        Reservations: Reservations(database.for_blocking_writes(single_too=True), runtime),
        Verifiers: verifiers,
        Redeemer: Redeemer(database, runtime),
        ManualEntries: ManualEntries(database, runtime, rules),
        Inspector: Inspector(database, runtime),
        Syncer: Syncer(database, runtime, verifiers, rules),
        Snapshots: Snapshots(database, runtime),
        Exports: Exports(database, runtime),
        Sessions: Sessions(database, runtime),
        GatePasses: GatePasses(runtime, signers),
    }


def make_app(settings: Settings, runtime: Runtime, clients: Clients | None = None) -> ASGIApp:
    """The application of one worker. `settings` must name a database; it may be away.

    `clients` says whether the worker is about to stop.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        assert settings.database_url is not None
        async with open_database(
            settings.database_url, settings.database_connections_per_worker, waits=False
        ) as database:
            app.state.database = database
            app.state.services = services(database, runtime, _gate_rules(settings))
            app.state.readiness = readiness = Readiness(database, runtime, clients or Clients())
            background = [
                asyncio.create_task(readiness.look_for_ever(), name="readiness"),
                *(
                    asyncio.create_task(_when_admitted(readiness, run, database, runtime), name=run.__name__)
                    for run in (
                        watch_incarnation_for_ever,
                        analyse_for_ever,
                        fold_for_ever,
                        expire_for_ever,
                        write_refusals_for_ever,
                        *_makers(settings),
                    )
                ),
            ]
            with suppress(TimeoutError):
                await asyncio.wait_for(readiness.admitted.wait(), DATABASE_WAIT_SECONDS)
            _spare_the_collector()
            yield
            await asyncio.gather(*map(_end, background))
            with suppress(Unavailable):
                await write_refusals(database, runtime)

    app = FastAPI(
        title="premade",
        version=version("premade"),
        description=INTRODUCTION,
        lifespan=lifespan,
        # Ours are in `api_docs`: FastAPI's pages load assets from elsewhere, and its document is of OpenAPI 3.1.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.gate_list_hours_max = settings.gate_list_hours_max
    for feature in FEATURES:
        app.router.routes.extend(feature.router.routes)
    app.router.routes.extend(offline.public_routes())
    app.router.routes.extend(monitoring_routes())
    app.router.routes.extend(document_routes(app))
    app.router.routes.extend(console_routes(runtime.zone))
    return Gateway(app, runtime, trusts_proxies=bool(settings.trusted_proxies))


def _gate_rules(settings: Settings) -> GateRules:
    return GateRules(timedelta(days=settings.offline_scan_days), settings.manual_entry_digits)


def _makers(settings: Settings) -> tuple[Background, ...]:
    """Who makes large batches here: nobody where that would take the last connection from the requests."""
    if settings.database_connections_per_worker > CONNECTIONS:
        return (make_for_ever,)
    log.warning("making.left_to_others", connections=settings.database_connections_per_worker)
    return ()


async def _when_admitted(readiness: Readiness, run: Background, database: Database, runtime: Runtime) -> None:
    await readiness.admitted.wait()
    await run(database, runtime)


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
    log.warning("background.left_behind", task=task.get_name())
