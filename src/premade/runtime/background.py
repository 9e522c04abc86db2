"""Background tasks that a process repeats until it is cancelled, also after failures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from premade.runtime.errors import Unavailable
from premade.runtime.logging import log
from premade.runtime.outage import Outage

AT_ONCE = 0.0
Turn = Callable[[], Awaitable[float]]
"""One turn of a task. It returns the seconds until the next turn; AT_ONCE if there is more to do now."""

CANCEL_AGAIN_SECONDS = 0.5
CANCELLATIONS_MAX = 20


async def repeat(name: str, turn: Turn, seconds_after_failure: float) -> None:
    """Run `turn` again and again until cancelled.

    While the database is unreachable the task tries again, and logs one line `<name>_postponed`. It is only information:
    readiness warns of the same outage. An unexpected failure is logged as `<name>_failed`, and again only when it changes.
    """
    away = Outage(f"{name}_postponed", logging.INFO)
    failure = Outage(f"{name}_failed", logging.ERROR)
    while True:
        pause_seconds = seconds_after_failure
        try:
            pause_seconds = await turn()
            away.end()
            failure.end()
        except Unavailable as error:
            away.begin(reason=error.code, detail=error.detail)
        except Exception as error:  # noqa: BLE001  (the next turn may succeed, and a task that ended would go unnoticed)
            failure.begin(reason=repr(error), exc_info=True)
        if pause_seconds > AT_ONCE:
            await asyncio.sleep(pause_seconds)


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end. A cancellation that falls into a rollback is lost, so it is repeated."""
    for _ in range(CANCELLATIONS_MAX):
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
        if task.done():
            return
    log.warning("background.left_behind", task=task.get_name())
