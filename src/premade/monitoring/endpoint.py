"""The metrics port: only `/metrics`, with the same HTTP server as the service, in one thread of the parent."""

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from premade.http.connection_limits import Clients
from premade.http.gateway import UNCACHED
from premade.http.protocol import Connection

CONNECTIONS_MAX = 64
HEAD_SECONDS_MAX = 5.0
KEEP_ALIVE_SECONDS = 65
STOP_SECONDS_MAX = 2
START_SECONDS_MAX = 10


def metrics_app(registry: CollectorRegistry) -> ASGIApp:
    """Return an application that serves the registry's metrics, one scrape at a time: a scrape may query the database."""
    one_scrape = asyncio.Lock()

    async def answer(scope: Scope) -> Response:
        if scope["path"] != "/metrics":
            return PlainTextResponse("This port serves only /metrics.\n", 404)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("Use GET /metrics.\n", 405, {"Allow": "GET, HEAD"})
        encode, media_type = choose_encoder(Headers(scope=scope).get("accept", ""))
        async with one_scrape:
            text = await asyncio.to_thread(encode, registry)
        return Response(text, media_type=media_type)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answered = await answer(scope)
        # The metrics name partners and their sales.
        answered.raw_headers += UNCACHED
        await answered(scope, receive, send)

    return app


@contextmanager
def metrics_served(listening: socket.socket, registry: CollectorRegistry) -> Generator[None]:
    """Serve the metrics on the listening socket for the duration of the block."""
    clients = Clients(connections_max=CONNECTIONS_MAX, head_seconds_max=HEAD_SECONDS_MAX)
    config = uvicorn.Config(
        metrics_app(registry),
        http=cast("Any", partial(Connection, clients=clients)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True, name="metrics")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS_MAX)
