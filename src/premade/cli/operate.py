"""Running an operator's action against the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from premade.base.logs import log_only_what_goes_wrong
from premade.base.settings import Settings
from premade.base.work import Database, open_database
from premade.base.world import World
from premade.database import ready_database, require_database

Result = TypeVar("Result")


def operate(action: Callable[[Database, World], Awaitable[Result]], *, connections_max: int = 1) -> Result:
    """Run the action on the database that the settings name, and return its result.

    Raises: NoDatabase, and what the action raises, which `premade.cli.main` prints.
    """
    log_only_what_goes_wrong()
    settings = Settings()
    require_database(settings)
    world = World(settings.zone)

    async def run(dsn: str) -> Result:
        async with open_database(dsn, connections_max=connections_max) as database:
            return await action(database, world)

    with ready_database(settings, world) as dsn:
        return asyncio.run(run(dsn))
