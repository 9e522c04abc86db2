"""The processes of the service: one parent, several workers.

The parent owns the embedded database, the metrics port and the socket; the workers share the socket.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.error import URLError

import psutil
import uvicorn
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from premade.base.connection import Connection
from premade.base.logs import start_logging
from premade.base.settings import Settings
from premade.base.world import World
from premade.database import ready_database
from premade.monitoring.gauges import DatabaseFigures

BACKLOG_CONNECTIONS = 2048
KEEP_ALIVE_SECONDS = 65
SHUTDOWN_SECONDS_MAX = 30
WORKER_SILENT_SECONDS_MAX = 10
"""A worker that does not answer its parent for so long is replaced. It is silent while it starts, too: on a machine
that is busy uvicorn's own five seconds would replace it again and again."""
READY_SECONDS_MAX = 60
READY_POLL_SECONDS = 0.05
METRICS_FOLDER = "premade-metrics"
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class CannotServe(Exception):
    """The service cannot start; the message says why."""


@dataclass(frozen=True)
class Listen:
    """Where to listen. Port 0 means any that is free."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    metrics_port: int = 0


WhenReady = Callable[[str, str], None]
"""Called with the address of the service and of the metrics, once it answers."""


def serve(settings: Settings, listen: Listen, when_ready: WhenReady) -> None:
    """Starts everything and serves until SIGINT or SIGTERM. CannotServe, SchemaNotCurrent."""
    exit_on_signals()
    with ready_database(settings, World(settings.zone)) as dsn:
        serve_on(dsn, settings, listen, when_ready)


def exit_on_signals() -> None:
    """Until the workers run, a signal unwinds the stack, so that a starting database is stopped too."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def serve_on(dsn: str, settings: Settings, listen: Listen, when_ready: WhenReady) -> None:
    """Serves on a database that is ready, until a signal."""
    start_logging(settings.log_format, mask_customer_email=settings.log_mask_customer_email)
    with _socket(listen) as bound, _metrics(listen, dsn, World(settings.zone)) as metrics_url:
        os.environ["DATABASE_URL"] = dsn
        os.environ["PREMADE_PARENT_PID"] = str(os.getpid())
        config = uvicorn.Config(
            "premade.app:worker_app",
            factory=True,
            workers=listen.workers,
            loop="auto",
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            backlog=BACKLOG_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
            timeout_worker_healthcheck=WORKER_SILENT_SECONDS_MAX,
        )
        supervisor = Multiprocess(config, [bound])
        port = bound.getsockname()[1]
        url = f"http://{_in_url(listen.host)}:{port}"
        threading.Thread(target=_tell, args=(url, metrics_url, when_ready), daemon=True).start()
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        message = "A worker could not start; its log line above says why."
        raise CannotServe(message)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _socket(listen: Listen) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((listen.host, listen.port))
        except (OSError, OverflowError) as error:
            message = f"Cannot listen on {listen.host}:{listen.port}: {error}. Choose another with --port."
            raise CannotServe(message) from None
        bound.set_inheritable(True)
        yield bound


def _remove_left_behind() -> None:
    """Metrics of services that were killed outright."""
    for folder in Path(tempfile.gettempdir()).glob(f"{METRICS_FOLDER}-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _metrics(listen: Listen, dsn: str, world: World) -> Generator[str]:
    """The metrics of all workers, on a port of their own."""
    _remove_left_behind()
    with tempfile.TemporaryDirectory(prefix=f"{METRICS_FOLDER}-{os.getpid()}-") as folder:
        # Each worker reads the variable when it starts, and keeps its figures in files there.
        os.environ[METRICS_FOLDER_VARIABLE] = folder
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        registry.register(DatabaseFigures(dsn, world))
        try:
            server, _ = start_http_server(listen.metrics_port, listen.host, registry)
        except OSError as error:
            message = f"Cannot serve metrics on {listen.host}:{listen.metrics_port}: {error}. "
            raise CannotServe(message + "Choose another with --metrics-port, or 0 for any.") from None
        try:
            yield f"http://{_in_url(listen.host)}:{server.server_port}/metrics"
        finally:
            server.shutdown()
            server.server_close()


def _tell(url: str, metrics_url: str, when_ready: WhenReady) -> None:
    """Calls `when_ready` as soon as a worker answers."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):  # noqa: S310  (our own address)
                break
        except (URLError, OSError):
            time.sleep(READY_POLL_SECONDS)
    else:
        return
    when_ready(url, metrics_url)
    sys.stdout.flush()
