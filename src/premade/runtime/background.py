"""Background tasks that a process repeats until it is cancelled, also after failures."""

import asyncio
from collections.abc import Awaitable, Callable

from premade.runtime.errors import Unavailable
from premade.runtime.logging import log
from premade.runtime.outage import Outage


async def repeat(name: str, turn: Callable[[], Awaitable[bool]], every_seconds: float) -> None:
    """Run `turn` again and again until cancelled. It returns whether there is more to do at once.

    While the database is unreachable the task tries again, and logs one line `<name>_postponed`. An unexpected failure
    is logged as `<name>_failed`, and again only when it changes.
    """
    away = Outage(f"{name}_postponed")
    failure = ""
    while True:
        goes_on = False
        try:
            goes_on = await turn()
            away.end()
            failure = ""
        except Unavailable as error:
            away.begin(reason=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001  (the next turn may succeed, and a task that ended would go unnoticed)
            if failure != repr(error):
                failure = repr(error)
                log.exception(f"{name}_failed")
        if not goes_on:
            await asyncio.sleep(every_seconds)
