"""Running an operator's action against the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from premade.base.logs import log_only_what_goes_wrong
from premade.base.settings import Settings
from premade.base.work import Database, open_database
from premade.base.world import World
from premade.database import ready_database

Result = TypeVar("Result")


def operate(action: Callable[[Database, World], Awaitable[Result]], *, connections_max: int = 1) -> Result:
    """What the action answers. Its refusals are told by `premade.cli.main`."""
    log_only_what_goes_wrong()
    settings = Settings()
    world = World(settings.zone)

    async def run(dsn: str) -> Result:
        async with open_database(dsn, connections_max=connections_max) as database:
            return await action(database, world)

    with ready_database(settings, world) as dsn:
        return asyncio.run(run(dsn))
