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
from premade.base.clients import Clients
from premade.base.edge import Edge
from premade.base.errors import Unavailable
from premade.base.logs import log
from premade.base.settings import Settings
from premade.base.work import Database, open_database
from premade.base.world import World
from premade.batches import routes as batches
from premade.cancellation import routes as cancellation
from premade.cancellation.cancel import Canceller
from premade.cancellation.cancel_batch import BatchCanceller
from premade.console.gate_pass import GatePasses
from premade.console.routes import console_routes
from premade.document.introduction import INTRODUCTION
from premade.document.routes import document_routes
from premade.expiry.expire import expire_for_ever
from premade.export import routes as export
from premade.export.text import Exports
from premade.generation import routes as generation
from premade.generation.generate import Generator
from premade.generation.large import CONNECTIONS, LargeBatches, make_for_ever
from premade.monitoring.fold import fold_for_ever
from premade.monitoring.readiness import Readiness
from premade.monitoring.refusals import write_refusals, write_refusals_for_ever
from premade.monitoring.routes import monitoring_routes
from premade.offline import routes as offline
from premade.offline.snapshot import Snapshots
from premade.orders import routes as orders
from premade.partners.keyring import Keyring
from premade.redemption import routes as redemption
from premade.redemption.inspect import Inspector
from premade.redemption.manual import ManualEntries
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.sync import Syncer
from premade.reissue import routes as reissue
from premade.reissue.reissue import Reissuer
from premade.staff.session import Sessions
from premade.stock import reservation_routes as reservations
from premade.stock import routes as stock
from premade.stock.reserve import Reservations
from premade.tickets import routes as tickets
from premade.tickets.incarnation import watch_incarnation_for_ever
from premade.tickets.signing import Signers, Verifiers

Background = Callable[[Database, World], Coroutine[Any, Any, None]]
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


def services(database: Database, world: World, rules: GateRules) -> dict[type[Any], Any]:
    """What a process keeps one of."""
    # What may wait for an allotment's row, on which all sales of a product from stock take turns.
    of_stock = database.of_patient()
    signers = Signers(database, world)
    verifiers = Verifiers(database, world)
    return {
        World: world,
        GateRules: rules,
        Keyring: Keyring(database, world),
        Signers: signers,
        Generator: Generator(of_stock, world, signers),
        LargeBatches: LargeBatches(database, world, signers),
        Activator: Activator(database, world),
        OrderMaker: OrderMaker(database, world),
        Canceller: Canceller(of_stock, world),
        BatchCanceller: BatchCanceller(of_stock, world),
        Reissuer: Reissuer(database, world, signers),
        Reservations: Reservations(database.of_patient(single_too=True), world),
        Verifiers: verifiers,
        Redeemer: Redeemer(database, world),
        ManualEntries: ManualEntries(database, world, rules),
        Inspector: Inspector(database, world),
        Syncer: Syncer(database, world, verifiers, rules),
        Snapshots: Snapshots(database, world),
        Exports: Exports(database, world),
        Sessions: Sessions(database, world),
        GatePasses: GatePasses(world, signers),
    }


def make_app(settings: Settings, world: World, clients: Clients | None = None) -> ASGIApp:
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
            app.state.services = services(database, world, _gate_rules(settings))
            app.state.readiness = readiness = Readiness(database, world, clients or Clients())
            background = [
                asyncio.create_task(readiness.look_for_ever(), name="readiness"),
                *(
                    asyncio.create_task(_when_admitted(readiness, run, database, world), name=run.__name__)
                    for run in (
                        watch_incarnation_for_ever,
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
                await write_refusals(database, world)

    app = FastAPI(
        title="premade",
        version=version("premade"),
        description=INTRODUCTION,
        lifespan=lifespan,
        # Ours are in `document`: FastAPI's pages load assets from elsewhere, and its document is of OpenAPI 3.1.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.world = world
    app.state.gate_list_hours_max = settings.gate_list_hours_max
    for feature in FEATURES:
        app.router.routes.extend(feature.router.routes)
    app.router.routes.extend(offline.public_routes())
    app.router.routes.extend(monitoring_routes())
    app.router.routes.extend(document_routes(app))
    app.router.routes.extend(console_routes(world.zone))
    return Edge(app, world, trusts_proxies=bool(settings.trusted_proxies))


def _gate_rules(settings: Settings) -> GateRules:
    return GateRules(timedelta(days=settings.offline_scan_days), settings.manual_entry_digits)


def _makers(settings: Settings) -> tuple[Background, ...]:
    """Who makes large batches here: nobody where that would take the last connection from the requests."""
    if settings.database_connections_per_worker > CONNECTIONS:
        return (make_for_ever,)
    log.warning("making.left_to_others", connections=settings.database_connections_per_worker)
    return ()


async def _when_admitted(readiness: Readiness, run: Background, database: Database, world: World) -> None:
    await readiness.admitted.wait()
    await run(database, world)


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
