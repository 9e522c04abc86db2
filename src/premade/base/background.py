"""Work that a process repeats until it is cancelled, whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable

from premade.base.errors import Unavailable
from premade.base.logs import log
from premade.base.outage import Outage


async def repeat(name: str, turn: Callable[[], Awaitable[bool]], every_seconds: float) -> None:
    """Take turns until cancelled. A turn returns whether there is more to do at once.

    A database that is away is tried again. One line `<name>_postponed` tells of that, however long it lasts; a failure
    that nobody foresaw is `<name>_failed`, and told again only when another one comes.
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
        except Exception as error:  # noqa: BLE001  (whatever it was, the next turn may succeed; ending would be silent)
            if failure != repr(error):
                failure = repr(error)
                log.exception(f"{name}_failed")
        if not goes_on:
            await asyncio.sleep(every_seconds)
