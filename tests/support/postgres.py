"""A real PostgreSQL for the tests: the embedded one, or a stand-alone one of the machine."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from premade.bootstrap import bring_up_to_date
from premade.postgres.embedded import embedded_postgres
from premade.postgres.service_role import make_service_role
from premade.runtime.clock import Runtime
from support.shop import unique

STANDALONE_BINARIES = Path("/usr/lib/postgresql/15/bin")
SERVER_LOG = "server.log"
"""Beside the folder of the data, of either kind."""
_ACCOUNT = "postgres"


@contextmanager
def postgres(kind: str, folder: Path) -> Generator[str]:
    """A DSN of a server that lives as long as the block."""
    if kind == "embedded":
        with embedded_postgres(folder / "embedded", settings={"fsync": "off"}) as dsn:
            yield dsn
        return
    with _standalone(folder) as dsn:
        yield dsn


@contextmanager
def empty_database(dsn: str, options: str = "") -> Generator[str]:
    """A database without any schema on the same server, dropped in the end whoever is still connected."""
    name = unique("own").replace("-", "_")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}".encode())
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def closed_to_all(dsn: str, closed: str) -> Generator[None]:
    """Inside the block nobody can connect to the database `closed`, and its connections are broken. `dsn`: another one."""
    name = conninfo_to_dict(closed)["dbname"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


@contextmanager
def own_database(dsn: str) -> Generator[str]:
    """One with the schema of this version, for what would disturb other tests, or be disturbed by them."""
    with empty_database(dsn) as own:
        bring_up_to_date(own, Runtime(ZoneInfo("UTC")))
        yield own


def as_service_role(dsn: str, role: str = "premade_service") -> str:
    """The same database for the role of a service, which is created on the server and gets its rights."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    asyncio.run(make_service_role(dsn, role))
    return make_conninfo(dsn, user=role)


@contextmanager
def _standalone(folder: Path) -> Generator[str]:
    # A Unix socket's path has at most 107 characters and must be open to the server's account.
    place = Path(tempfile.mkdtemp(prefix="premade-pg15-", dir="/tmp"))
    as_root = os.getuid() == 0
    if as_root:
        account = pwd.getpwnam(_ACCOUNT)
        os.chown(place, account.pw_uid, account.pw_gid)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [STANDALONE_BINARIES / program, *arguments],
            check=True,
            user=_ACCOUNT if as_root else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )

    cluster = str(place / "cluster")
    try:
        run(
            "initdb",
            "-D",
            cluster,
            "-U",
            "premade",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-N",
        )
        options = f"-c listen_addresses='' -k {place} -c fsync=off -c max_connections=200"
        run("pg_ctl", "-D", cluster, "-l", str(place / SERVER_LOG), "-w", "-o", options, "start")
        try:
            yield f"host={place} user=premade dbname=postgres"
        finally:
            run("pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(place)
