"""The PostgreSQL of the machine: the embedded one, which the service starts, or a stand-alone one."""

import os
import pwd
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from support.postgres import STANDALONE_BINARIES

from premade.postgres.embedded import embedded_postgres, let_pass
from torture.processes import command_line

MAX_WAL = "512MB"
"""Less than the product's own setting, so that the write-ahead log fits on a small disk."""
START_SECONDS_MAX = 60
_ACCOUNT = "postgres"


class Server(ABC):
    """A PostgreSQL server whose data directory is `data`. `dsn`: a connection past any proxy."""

    kind: str
    data: Path
    dsn: str
    is_with_service: bool
    """Whether the service starts it."""

    def postmaster(self) -> psutil.Process | None:
        """Return its first process, or None if there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        return process if "postgres" in command_line(process) else None

    def processes(self) -> list[psutil.Process]:
        """Return all its processes, the postmaster first."""
        postmaster = self.postmaster()
        if postmaster is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return [postmaster, *postmaster.children()]
        return []

    def backends(self) -> list[psutil.Process]:
        """Return the processes that execute the statements of clients."""
        return [process for process in self.processes()[1:] if " premade " in command_line(process)]

    def connect(self) -> psycopg.Connection:
        """Connect as superuser, past any proxy."""
        return psycopg.connect(self.dsn, autocommit=True, connect_timeout=5)

    def limit_wal(self) -> None:
        """Let the write-ahead log fit on a small disk."""
        with self.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET max_wal_size = '{MAX_WAL}'".encode())
            connection.execute("SELECT pg_reload_conf()")

    def move_wal(self, to: Path) -> None:
        """Move the write-ahead log of the stopped server to another disk."""
        wal = self.data / "pg_wal"
        shutil.copytree(wal, to / "pg_wal")
        owner = wal.stat()
        for path in (to, to / "pg_wal", *(to / "pg_wal").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        (to / "pg_wal").chmod(0o700)
        shutil.rmtree(wal)
        wal.symlink_to(to / "pg_wal")

    @abstractmethod
    def revive(self) -> None:
        """Do what the machine's service manager or its operator does after the server has ended."""

    @abstractmethod
    def end(self) -> None:
        """Stop the server."""


class Embedded(Server):
    """The embedded server. The service starts it, and starts it again."""

    kind = "embedded"
    is_with_service = True

    def __init__(self, data_dir: Path, wal: Path | None) -> None:
        folder = data_dir / "postgres"
        self.data = folder / "cluster"
        with embedded_postgres(folder) as self.dsn:
            self.limit_wal()
        if wal is not None:
            account = pwd.getpwuid(self.data.stat().st_uid)
            if os.geteuid() == 0:
                let_pass(account, wal)
            self.move_wal(wal)

    def revive(self) -> None:
        """Do nothing: the service does it."""

    def end(self) -> None:
        """Do nothing: the service does it."""


class Standalone(Server):
    """Debian's PostgreSQL, started by its own service manager."""

    kind = "stand-alone"
    is_with_service = False

    def __init__(self, folder: Path, wal: Path | None, port: int, environment: dict[str, str]) -> None:
        """`environment`: variables of the server, beside its usual ones."""
        self.port = port
        self._environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", **environment}
        self._account = _ACCOUNT if os.geteuid() == 0 else None
        self.data = folder / "cluster"
        self._log = folder / "server.log"
        self.dsn = f"host=127.0.0.1 port={port} user=premade dbname=premade"
        if self._account is not None:
            account = pwd.getpwnam(_ACCOUNT)
            for place in (folder, *([] if wal is None else [wal])):
                os.chown(place, account.pw_uid, account.pw_gid)
        self._run(
            "initdb",
            "-D",
            str(self.data),
            "-U",
            "premade",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        )
        if wal is not None:
            self.move_wal(wal)
        self.revive()
        with psycopg.connect(make_conninfo(self.dsn, dbname="postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE premade")
        self.limit_wal()

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        return subprocess.run(
            [STANDALONE_BINARIES / program, *arguments],
            check=check,
            user=self._account,
            cwd="/",
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode

    def revive(self) -> None:
        """Start the server if it does not run. Try again until it starts, as systemd does with `Restart=on-failure`."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -k {self.data} -c max_connections=60"
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.postmaster() is None and time.monotonic() < deadline:
            self._run(
                "pg_ctl",
                "-D",
                str(self.data),
                "-l",
                str(self._log),
                "-w",
                "-o",
                options,
                "start",
                check=False,
            )

    def end(self) -> None:
        """Stop the server at once."""
        if self.postmaster() is not None:
            self.stop_immediately()

    def stop_immediately(self) -> None:
        """Run `pg_ctl -m immediate stop`."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop", check=False)
