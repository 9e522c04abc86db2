"""`premade serve`: one parent, several workers.

The parent owns the embedded database, the metrics port and the listening socket; the workers share that socket.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from prometheus_client import CollectorRegistry

from premade.bootstrap import database_to_serve
from premade.monitoring.endpoint import metrics_served
from premade.monitoring.gauges import DatabaseFigures, ProcessFigures, WorkerFigures
from premade.postgres.embedded import limit_log, restart_if_gone
from premade.postgres.embedded.locks import try_lock
from premade.runtime.clock import Runtime
from premade.runtime.errors import CommandError
from premade.runtime.kernel import raise_file_limit
from premade.runtime.logging import log, start_service_logging
from premade.runtime.outage import Outage
from premade.runtime.service_manager import ServiceManager
from premade.runtime.settings import Settings
from premade.supervisor import Supervisor

BACKLOG_CONNECTIONS = 2048
EMBEDDED_CHECK_SECONDS = 1.0
TEMPORARY_FOLDER_BYTES_MAX = 75
"""Length of its path. The fork server has a socket in it, and a socket's path has at most 107 bytes."""
METRICS_FOLDER = "premade-worker-metrics"
"""Begins the name. Version 0.1.0 locks no folder: another name keeps its folders, `premade-metrics-…`, from being removed."""
NEW_FOLDER_SECONDS = 60.0
"""A folder that has not changed for so long belongs to a service that has locked it, or that was killed."""
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class CannotServe(CommandError):
    """The service cannot start."""


@dataclass(frozen=True)
class Listen:
    """Where to listen. Port 0 means any that is free. A socket from the service manager replaces `host` and `port`."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0


WhenReady = Callable[[str, str], None]
"""Called with the URLs of the service and of its metrics when the first worker serves."""


def serve(settings: Settings, listen: Listen, when_ready: WhenReady) -> None:
    """Start everything and serve until SIGINT or SIGTERM. Wait for a database that does not respond.

    Raises:
        CannotServe: an address is taken, the path for temporary files is too long, or the embedded database cannot start.
        SchemaNotCurrent: the database lacks migrations.
    """
    exit_on_signals()
    start_service_logging(settings)
    with database_to_serve(settings, Runtime(settings.zone)) as dsn:
        serve_on(dsn, settings, listen, when_ready)


def exit_on_signals() -> None:
    """Make SIGINT and SIGTERM raise SystemExit until the workers run, so that a starting database is stopped too."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def require_free_ports(listen: Listen) -> None:
    """Check that the service and its metrics can listen on their ports.

    Raises:
        CannotServe: a port is taken.
    """
    with (
        _listening(listen.host, listen.port, "--port"),
        _listening(listen.metrics_host, listen.metrics_port, "--metrics-port"),
    ):
        pass


def serve_on(dsn: str, settings: Settings, listen: Listen, when_ready: WhenReady) -> None:
    """Serve on this database until a signal."""
    start_service_logging(settings)
    _require_short_temporary_folder()
    raise_file_limit()
    manager = ServiceManager()
    with (
        manager.listening_socket() or _listening(listen.host, listen.port, "--port") as listening,
        _listening(listen.metrics_host, listen.metrics_port, "--metrics-port") as metrics_listening,
    ):
        url = _url(listening)
        metrics_url = f"{_url(metrics_listening)}/metrics"

        log.info(
            "service.starts",
            version=version("premade"),
            workers=listen.workers,
            database=settings.database_place,
        )

        def report() -> None:
            log.info("service.serves", url=url, metrics_url=metrics_url)
            manager.ready(f"Serves at {url}")
            # In a thread: `when_ready` may take long and send requests, and the parent must watch the workers meanwhile.
            threading.Thread(target=_report, args=(url, metrics_url, when_ready), daemon=True).start()

        with _metrics_folder() as metrics_folder:
            os.environ["DATABASE_URL"] = dsn
            supervisor = Supervisor(
                listening,
                partial(_work, workers=listen.workers),
                listen.workers,
                manager,
                drain_seconds=settings.drain_seconds,
                when_serving=report,
            )
            registry = CollectorRegistry()
            registry.register(WorkerFigures(metrics_folder))
            registry.register(DatabaseFigures(dsn, Runtime(settings.zone)))
            with _embedded_watched(settings) as embedded, metrics_served(metrics_listening, registry):
                registry.register(ProcessFigures(lambda: supervisor.ends, lambda: embedded.restarts))
                supervisor.run()


class _Embedded:
    """Start the embedded PostgreSQL again if it was killed, and limit its log, as long as the service runs."""

    def __init__(self, folder: Path) -> None:
        self.restarts = 0
        self._folder = folder
        self._is_over = threading.Event()
        self._trouble = Outage("database.embedded_not_started")

    def watch(self) -> None:
        """Check the server every EMBEDDED_CHECK_SECONDS until `end` is called."""
        while not self._is_over.wait(EMBEDDED_CHECK_SECONDS):
            try:
                if restart_if_gone(self._folder):
                    self.restarts += 1
                    log.error("database.embedded_restarted")
                limit_log(self._folder)
                self._trouble.end()
            except Exception as error:  # noqa: BLE001  (the next attempt may succeed)
                self._trouble.begin(reason=str(error))

    def end(self) -> None:
        """Stop watching: the server is not started again."""
        self._is_over.set()


@contextmanager
def _embedded_watched(settings: Settings) -> Generator[_Embedded]:
    embedded = _Embedded(settings.data_dir / "postgres")
    thread = threading.Thread(target=embedded.watch, daemon=True, name="embedded")
    if settings.database_url is None:
        thread.start()
    try:
        yield embedded
    finally:
        embedded.end()
        if settings.database_url is None:
            thread.join()


def _work(listening: socket.socket, channel: socket.socket, *, workers: int) -> None:
    """Run one of `workers` workers, in its own process. The parent never imports the application: `fork_server` does."""
    try:
        from premade.worker import run_worker  # noqa: PLC0415

        run_worker(listening, channel, workers)
    except Exception:  # noqa: BLE001  (else multiprocessing would print the traceback in a form of its own)
        start_service_logging(Settings())
        log.exception("worker.failed")
        raise SystemExit(1) from None


def _require_short_temporary_folder() -> None:
    folder = tempfile.gettempdir()
    length = len(os.fsencode(folder))
    if length > TEMPORARY_FOLDER_BYTES_MAX:
        raise CannotServe("temporary_folder", folder=folder, length=length, max=TEMPORARY_FOLDER_BYTES_MAX)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _listening(host: str, port: int, option: str) -> Generator[socket.socket]:
    """Yield a listening socket, so that the address is reserved before the service announces it.

    SO_REUSEADDR allows a new service to take the port of one that has just ended. With it, Linux lets two sockets bind to
    one address as long as neither listens; therefore this one listens at once.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(BACKLOG_CONNECTIONS)
        except (OSError, OverflowError) as error:
            raise CannotServe("address", host=host, port=port, why=error, option=option) from None
        yield bound


def _remove_stale_metrics() -> None:
    """Remove the metrics folders of services that were killed. The kernel has released their locks.

    A process id would not do: a service in a container with the same temporary folder has ids of its own.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{METRICS_FOLDER}-*"):
        # A folder of another user cannot be opened, and a new one may not be locked yet.
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > NEW_FOLDER_SECONDS and _is_free(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_free(folder: Path) -> bool:
    """Return whether no service holds the lock of its metrics folder."""
    with _locked(folder) as is_locked:
        return is_locked


@contextmanager
def _locked(folder: Path) -> Generator[bool]:
    """Lock the folder if nobody else has; yield whether this succeeded. systemd-tmpfiles keeps locked folders."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _metrics_folder() -> Generator[Path]:
    """Yield the folder in which workers share their metrics as files, and tell prometheus_client about it."""
    _remove_stale_metrics()
    with (
        tempfile.TemporaryDirectory(prefix=f"{METRICS_FOLDER}-") as folder,
        _locked(Path(folder)),
    ):
        os.environ[METRICS_FOLDER_VARIABLE] = folder
        yield Path(folder)


def _report(url: str, metrics_url: str, when_ready: WhenReady) -> None:
    when_ready(url, metrics_url)
    sys.stdout.flush()
