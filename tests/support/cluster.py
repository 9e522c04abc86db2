"""A stand-alone PostgreSQL whose data directory a test may copy, put back and promote."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from support.postgres import STANDALONE_BINARIES

_ACCOUNT = "postgres"
needs_standalone = pytest.mark.skipif(
    not STANDALONE_BINARIES.exists(), reason="PostgreSQL 15 is not installed"
)


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, not as root."""
    run_as_server([STANDALONE_BINARIES / program, *arguments], stdout=subprocess.DEVNULL)


def run_as_server(command: Sequence[str | Path], stdout: int | None = None) -> None:
    """Run a command as the server's account."""
    user = _ACCOUNT if os.getuid() == 0 else None
    subprocess.run(command, check=True, user=user, group=user, cwd="/", stdout=stdout)


@dataclass
class Cluster:
    """A server whose socket and data lie in `folder`."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def dsn(self) -> str:
        """Of the database `postgres`."""
        return f"host={self.folder} user=premade dbname=postgres"

    def start(self, **settings: str) -> None:
        """Start the server with these settings, and wait until it answers."""
        chosen = {"listen_addresses": "''", "fsync": "off", **settings}
        options = " ".join([f"-k {self.folder}", *(f"-c {name}={value}" for name, value in chosen.items())])
        run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop the server; `immediate` is a crash."""
        run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def initialise(self, *more: str) -> None:
        """Make the data directory. `more`: further options of initdb."""
        options = ["-U", "premade", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N"]
        run("initdb", "-D", str(self.data), *options, *more)

    def follow(self, primary: "Cluster") -> None:
        """Make the data directory a copy of a running primary that goes on following it."""
        run(
            "pg_basebackup", "-D", str(self.data), "-d", primary.dsn, "-R", "-c", "fast", "-X", "stream", "-N"
        )

    def promote(self) -> None:
        """Make the standby a primary."""
        run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def execute(self, query: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(query.encode())


@contextmanager
def cluster() -> Generator[Cluster]:
    """A folder for one; whatever runs in it is stopped at the end."""
    # A Unix socket's path has at most 107 characters and must be open to the server's account.
    folder = Path(tempfile.mkdtemp(prefix="premade-cluster-", dir="/tmp"))
    if os.getuid() == 0:
        account = pwd.getpwnam(_ACCOUNT)
        os.chown(folder, account.pw_uid, account.pw_gid)
    made = Cluster(folder)
    try:
        yield made
    finally:
        if made.is_running():
            made.stop("immediate")
        shutil.rmtree(folder)
