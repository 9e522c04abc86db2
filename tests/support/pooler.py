"""PgBouncer in front of a PostgreSQL of the machine."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from support.programs import running_program

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
_ACCOUNT = "postgres"
needs_pgbouncer = pytest.mark.skipif(_PROGRAM is None, reason="PgBouncer is not installed")


@contextmanager
def pgbouncer(dsn: str, pool_mode: str) -> Generator[str]:
    """A DSN that reaches the database of `dsn` through a PgBouncer, which ends with the block."""
    target = conninfo_to_dict(dsn)
    # A Unix socket's path has at most 107 characters, and PgBouncer does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="premade-pooler-", dir="/tmp"))
    folder.chmod(0o777)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n{target['dbname']} = host={target['host']} port={target.get('port', 5432)}"
        f" user={target['user']}\n"
        f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\nauth_type = any\n"
        f"pool_mode = {pool_mode}\ndefault_pool_size = 40\nmax_client_conn = 200\n"
    )
    assert _PROGRAM is not None
    through = f"host={folder} port=6432 user={target['user']} dbname={target['dbname']}"
    user = _ACCOUNT if os.getuid() == 0 else None
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.enter_context(
            running_program([_PROGRAM, configuration], folder / "log", lambda: _answers(through), user=user)
        )
        yield through


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True
