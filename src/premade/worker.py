"""A worker process: uvicorn's server on the shared socket, stopped by messages of its parent."""

import asyncio
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

import uvicorn

from premade.app import make_app
from premade.http.connection_limits import FILES_KEPT_BACK, Clients, networks
from premade.http.protocol import Connection
from premade.runtime.background import repeat
from premade.runtime.clock import Runtime
from premade.runtime.kernel import end_with_parent, raise_file_limit
from premade.runtime.logging import log, start_service_logging
from premade.runtime.settings import Settings
from premade.supervisor import BEAT, BEAT_EVERY_SECONDS, DRAIN, SERVING

BACKLOG_CONNECTIONS = 2048
KEEP_ALIVE_SECONDS = 65
IDLE_SECONDS = 0.5
"""When the worker stops: how long idle connections stay open for a request that is on its way."""
SLOW_CLIENT_SECONDS_MAX = 5.0
"""When the worker stops: time for a client to send the rest of a request, or to read an answer."""
ANSWER_SECONDS_MAX = 16.0
"""When the worker stops: time for an answer. It needs at most 5 s for a database connection and 10 s for its work."""
ORPHAN_SECONDS_MAX = 30.0
"""A worker ends this long after its parent's death, even if its event loop hangs."""
ALONE_SECONDS = 2.0
"""A worker that got SIGTERM ends this long after draining, unless the parent tells it to stop before."""
POLL_SECONDS = 0.05
PARENT_CHECK_SECONDS = 0.5


def run_worker(listening: socket.socket, channel: socket.socket, workers: int) -> None:
    """Serve on the socket until the supervisor says stop over the channel, or is gone. Settings come from the environment.

    `workers`: how many workers share the limits of connections.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        # A terminal sends these to the whole process group; only the parent handles them.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The fork server, which ends with the supervisor.
    parent_pid = os.getppid()
    end_with_parent(parent_pid)
    threading.Thread(target=_leave_with_parent, args=(parent_pid,), daemon=True, name="leave").start()
    settings = Settings()
    start_service_logging(settings)
    clients = clients_of(settings, workers)
    app = make_app(settings, Runtime(settings.zone), clients)
    config = uvicorn.Config(
        app,
        loop="auto",
        http=cast("Any", partial(Connection, clients=clients)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=BACKLOG_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    Worker(config, channel, clients, settings.drain_seconds).run([listening])


def clients_of(settings: Settings, workers: int) -> Clients:
    """Return the connection limits of a worker: its share of the operator's settings, lowered to its limit of open files.

    Shares are rounded up, so the service may exceed a setting by less than the number of workers. It may also refuse
    earlier: the kernel can give one worker more than its share while another one is idle.
    """
    files = raise_file_limit() - FILES_KEPT_BACK - settings.database_connections_per_worker
    connections_max = min(math.ceil(settings.connections_max / workers), max(files, 1))
    # One address must leave half of the connections to others.
    share = math.ceil(settings.connections_per_address_max / workers)
    per_address_max = min(share, max(connections_max // 2, 1))
    return Clients(connections_max, per_address_max, networks(settings.trusted_proxies))


def _leave_with_parent(parent_pid: int) -> None:
    """Stop this process when its parent is gone, even if its event loop hangs. A signal and the closed channel come first."""
    while os.getppid() == parent_pid:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS_MAX)
    os._exit(1)


class Worker(uvicorn.Server):
    """uvicorn's server, stopped by messages of the parent and in an order of our own."""

    def __init__(
        self, config: uvicorn.Config, channel: socket.socket, clients: Clients, drain_seconds: float
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._channel = channel
        self._clients = clients

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Send beats first: starting may take long."""
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._receive)
        self._beating = asyncio.create_task(repeat("worker.beat", self._beat, BEAT_EVERY_SECONDS))
        await super().startup(sockets)
        self._send(SERVING)

    async def _beat(self) -> float:
        self._send(BEAT)
        return BEAT_EVERY_SECONDS

    def _send(self, message: bytes) -> None:
        # A parent that hangs reads nothing; that must not stop the worker.
        with suppress(OSError):
            self._channel.send(message)

    def _receive(self) -> None:
        try:
            messages = self._channel.recv(16)
        except BlockingIOError:
            return
        except OSError:
            messages = b""
        self._clients.is_draining = True
        if messages != DRAIN:
            # STOP, or the parent is gone.
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle SIGTERM only: somebody may send it to one worker. The parent then starts another one."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leave)
        yield

    def _leave(self) -> None:
        """Leave after a while: a SIGTERM to the whole process group also reaches the parent, which stops in order."""
        self._clients.is_draining = True
        asyncio.get_running_loop().call_later(self._drain_seconds + ALONE_SECONDS, self._exit)

    def _exit(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, send the pending answers, each within its limit, and end."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        began = time.monotonic()
        while self.server_state.connections or self.server_state.tasks:
            waited = time.monotonic() - began
            if waited > ANSWER_SECONDS_MAX:
                log.error("worker.answers_cancelled", answers=len(self.server_state.tasks))
                break
            for connection in cast("list[Connection]", list(self.server_state.connections)):
                if waited > SLOW_CLIENT_SECONDS_MAX and connection.waits_for_client():
                    connection.transport.abort()
                else:
                    connection.end_when_answered(is_idle_over=waited > IDLE_SECONDS)
            await asyncio.sleep(POLL_SECONDS)
        for task in list(self.server_state.tasks):
            task.cancel()
        await self.lifespan.shutdown()
        self._beating.cancel()
