"""The service manager of the machine: it keeps the socket, starts the service and restarts it, by ops/systemd."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil
from support.passed_sockets import passable, with_sockets

from torture.processes import command_line, send
from torture.single import ROOT

BACKLOG_CONNECTIONS = 2048
STOP_SECONDS_MAX = 120
WORKERS = 2


def restart_seconds() -> float:
    """Return the pause before a restart, as the unit for systemd has it."""
    found = re.search(r"^RestartSec=(\d+)$", (ROOT / "ops/systemd/premade.service").read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1])


class Manager:
    """Keep one service running."""

    def __init__(
        self, environment: dict[str, str], log: Path, leftovers: Callable[[], Sequence[psutil.Process]]
    ) -> None:
        """`leftovers`: further processes of the service, which systemd kills when the parent has ended (KillMode=mixed)."""
        self._leftovers = leftovers
        self._environment = environment
        self._log = log.open("ab")
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG_CONNECTIONS)
        self.port: int = self._socket.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = threading.Event()
        self._is_restarting = False

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def parent(self) -> psutil.Process | None:
        """The parent process of the service, or None while there is none."""
        if self._process is None or self._process.poll() is not None:
            return None
        return psutil.Process(self._process.pid)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run."""
        fork_server = self.fork_server()
        try:
            return [] if fork_server is None else fork_server.children()
        except psutil.NoSuchProcess:
            return []

    def fork_server(self) -> psutil.Process | None:
        """Return the process from which workers are forked, or None while there is none."""
        parent = self.parent
        try:
            children = [] if parent is None else parent.children()
        except psutil.NoSuchProcess:
            return None
        return next((child for child in children if "forkserver" in command_line(child)), None)

    @contextmanager
    def running(self) -> Generator[Self]:
        """Run the service until the end of the block."""
        self._start()
        watcher = threading.Thread(target=self._watch, daemon=True, name="manager")
        watcher.start()
        try:
            yield self
        finally:
            self._is_over.set()
            watcher.join()
            if self._process is not None:
                self._process.terminate()
                self._process.wait(STOP_SECONDS_MAX)
            self._socket.close()
            self._log.close()

    def restart(self) -> None:
        """Send SIGTERM, as `systemctl restart` does. The watcher starts the service again."""
        if self._process is not None:
            self._is_restarting = True
            self._process.send_signal(signal.SIGTERM)

    def _watch(self) -> None:
        while not self._is_over.wait(0.05):
            if self._process is not None and self._process.poll() is not None:
                if not self._is_restarting:
                    send(signal.SIGKILL, self._leftovers())
                    time.sleep(restart_seconds())
                self._is_restarting = False
                self._start()

    def _start(self) -> None:
        with passable(self._socket) as number:
            self._process = subprocess.Popen(
                [*with_sockets(number), "serve", "--metrics-port", "0", "--workers", str(WORKERS)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                cwd="/",
                env=self._environment,
                pass_fds=(number,),
                start_new_session=True,
                executable=sys.executable,
            )
