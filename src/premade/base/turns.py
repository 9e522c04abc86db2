"""So many at once, and the rest wait for a moment: for what keeps a connection for as long as its client reads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from premade.base.errors import Unavailable

TURN_SECONDS_MAX = 2.0


@asynccontextmanager
async def turn(turns: asyncio.Semaphore, refusal: Unavailable) -> AsyncGenerator[None]:
    """One of the `turns`, for as long as the block lasts. Raises `refusal` when none is free in time."""
    try:
        async with asyncio.timeout(TURN_SECONDS_MAX):
            await turns.acquire()
    except TimeoutError:
        raise refusal from None
    try:
        yield
    finally:
        turns.release()
