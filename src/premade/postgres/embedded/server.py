"""The server process of one embedded database: start, wait, stop."""

import contextlib
import os
import pwd
import signal
import socket
import struct
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from premade.postgres.embedded.account import let_pass, let_use_binaries, server_account
from premade.postgres.embedded.cluster import make_cluster, remove_unfinished, require_same_major
from premade.postgres.embedded.configuration import write_settings
from premade.postgres.embedded.errors import EmbeddedPostgresError
from premade.postgres.embedded.layout import Layout, make_private
from premade.postgres.embedded.locks import (
    START_LIMIT_SECONDS,
    STOP_LIMIT_SECONDS,
    open_lock,
    try_lock,
    wait_until,
)
from premade.postgres.embedded.programs import binaries, run
from premade.postgres.embedded.server_log import end_of_log, open_log


@dataclass(frozen=True)
class Server:
    """The server of one folder. Its methods expect the start lock to be held, except `has_processes`."""

    layout: Layout
    account: pwd.struct_passwd | None
    """The account that the server runs as; None for the calling user."""

    @staticmethod
    def of(folder: Path) -> "Server":
        """Return the server of this folder, whether it runs or not."""
        layout = Layout(Path(os.path.realpath(folder)))
        return Server(layout, server_account(layout))

    def has_processes(self) -> bool:
        """Return whether it has processes and its pid file. Needs no lock and no connection."""
        if not self.layout.pid_file.exists():
            return False
        with self._lock_if_gone() as server_lock:
            return server_lock is None

    def start(self, settings: Mapping[str, str]) -> None:
        """Start the server if it does not run, and wait until it accepts connections.

        Raises:
            EmbeddedPostgresError: it did not start, was not ready in time, or is of another major version of PostgreSQL.
        """
        require_same_major(self.layout)
        log_start: int | None = None
        is_told_to_end = False

        def is_started() -> bool:
            nonlocal log_start, is_told_to_end
            if self._is_ready():
                return True
            if not is_told_to_end and self._listens() and self._pid_file_lines() == [""]:
                # PostgreSQL ends by itself when its pid file is lost, but checks that only once a minute.
                is_told_to_end = True
                self._tell_to_end()
            with self._lock_if_gone() as server_lock:
                if server_lock is not None and log_start is not None:
                    log = end_of_log(self.layout.log, log_start)
                    raise EmbeddedPostgresError("embedded_not_started", log=log)
                if server_lock is not None:
                    log_start = self._start_process(settings, server_lock)
            return False

        if not wait_until(is_started, START_LIMIT_SECONDS):
            log = end_of_log(self.layout.log, log_start or 0)
            raise EmbeddedPostgresError("embedded_not_ready", seconds=START_LIMIT_SECONDS, log=log)

    def make_socket_folder(self) -> None:
        """Make the folder of the socket if it is not the data directory."""
        if self.layout.socket_folder != self.layout.cluster:
            make_private(self.layout.socket_folder, self.account)

    def create_database(self, name: str) -> None:
        """Create the database if it is absent."""
        script = (
            "SELECT format('CREATE DATABASE %I', :'name')"
            " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n"
        )
        url = self.layout.url("postgres")
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"name={name}", "-d", url]
        run([binaries() / "psql", *options], None, standard_input=script)

    def stop(self) -> None:
        """Stop the server and wait until all of its processes have ended.

        Raises:
            EmbeddedPostgresError: it did not end in time.
        """
        is_told_to_end = False

        def is_stopped() -> bool:
            nonlocal is_told_to_end
            if self._listens():
                if not is_told_to_end:
                    is_told_to_end = True
                    self._tell_to_end()
                return False
            with self._lock_if_gone() as server_lock:
                return server_lock is not None

        if not wait_until(is_stopped, STOP_LIMIT_SECONDS):
            log = end_of_log(self.layout.log)
            raise EmbeddedPostgresError("embedded_not_stopped", seconds=STOP_LIMIT_SECONDS, log=log)
        if self.layout.socket_folder != self.layout.cluster:
            with contextlib.suppress(OSError):
                self.layout.socket_folder.rmdir()

    def _tell_to_end(self) -> None:
        """Send SIGINT (fast shutdown) to the process that listens. Its pid file may be lost; the socket knows it too."""
        first = self._pid_file_lines()[0]
        if first.isdecimal():
            # Something listens, so the file belongs to a running server: the signal reaches no other process.
            os.kill(int(first), signal.SIGINT)
        elif sys.platform == "linux":
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(os.fsencode(self.layout.socket))
                pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if pid > 0:
                    os.kill(pid, signal.SIGINT)

    def _is_ready(self) -> bool:
        return self._listens() and self._pid_file_lines()[-1] == "ready"

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(os.fsencode(self.layout.socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _pid_file_lines(self) -> Sequence[str]:
        """Return the lines of the pid file; one empty line if there is none."""
        try:
            lines = self.layout.pid_file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return [line.strip() for line in lines] or [""]

    @contextlib.contextmanager
    def _lock_if_gone(self) -> Generator[int | None]:
        """Yield the server's lock if no process of the server is left, else None."""
        lock = open_lock(self.layout.server_lock)
        try:
            yield lock if try_lock(lock) else None
        finally:
            # Close without unlocking: the server may have inherited the lock.
            os.close(lock)

    def _start_process(self, settings: Mapping[str, str], server_lock: int) -> int:
        """Start the server in a session of its own; return the size of the log before."""
        layout = self.layout
        if self.account is not None:
            let_use_binaries(self.account)
            let_pass(self.account, layout.folder)
        remove_unfinished(layout)
        if not layout.cluster.exists():
            make_cluster(layout, self.account)
        # All processes of the last server have ended. PostgreSQL would refuse to start if another process has the process
        # id in these files by now.
        for stale in (
            layout.pid_file,
            layout.socket,
            layout.socket.with_name(f"{layout.socket.name}.lock"),
        ):
            stale.unlink(missing_ok=True)
        write_settings(layout, settings)
        with open_log(layout.log) as log:
            log_start = log.tell()
            # The shell ends at once, so this process has no child to wait for. pg_ctl does the same, but cannot quote
            # every path.
            command = ["/bin/sh", "-c", '"$@" &', "sh", binaries() / "postgres", "-D", layout.cluster]
            run(command, self.account, log=log, inherited=server_lock)
        return log_start
