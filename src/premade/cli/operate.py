"""Run an operator's action on the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from premade.bootstrap import ready_database, require_database
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.runtime.logging import log_warnings_only
from premade.runtime.settings import Settings

Result = TypeVar("Result")


def operate(action: Callable[[Database, Runtime], Awaitable[Result]], *, connections_max: int = 1) -> Result:
    """Run the action on the database that the settings name, and return its result.

    Raises: NoDatabase, and what the action raises, which `premade.cli.main` prints.
    """
    log_warnings_only()
    settings = Settings()
    require_database(settings)
    runtime = Runtime(settings.zone)

    async def run(dsn: str) -> Result:
        async with open_database(dsn, connections_max=connections_max) as database:
            return await action(database, runtime)

    with ready_database(settings, runtime) as dsn:
        return asyncio.run(run(dsn))
