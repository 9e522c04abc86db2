"""Somebody at a terminal, who types the operator's commands."""

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.service import environment_for

COMMAND_SECONDS_MAX = 120
COLUMNS = 80
READ_SECONDS_MAX = 120
"""A busy machine is slow. Only a test that fails waits this long."""


def read_until(terminal: int, pattern: str | None = None) -> str:
    """Return what is written to a terminal or pipe until it matches, or else until its other end is closed.

    Raises:
        AssertionError: neither happened in time.
    """
    read = b""
    deadline = time.monotonic() + READ_SECONDS_MAX
    while pattern is None or not re.search(pattern, read.decode(errors="replace")):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{pattern} is not written: {read!r}"
        try:
            more = os.read(terminal, 65536)
        except OSError:
            # How a terminal says that the other end is closed.
            more = b""
        if not more:
            break
        read += more
    return read.decode(errors="replace")


@cache
def _forking() -> subprocess.Popen[str]:
    """Ends with this process, when its standard input does."""
    program = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def command(
    environment: dict[str, str], *arguments: str, typed: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of `premade` in a process of its own, with this text on its standard input.

    The process is forked from one that has imported everything: imports take most of a command's time.
    PYTHONIOENCODING works as it does for a new process.
    """
    forking = _forking()
    assert forking.stdin
    assert forking.stdout
    with (
        tempfile.NamedTemporaryFile() as stdin,
        tempfile.NamedTemporaryFile() as stdout,
        tempfile.NamedTemporaryFile() as stderr,
    ):
        stdin.write(typed.encode())
        stdin.flush()
        asked = {
            "arguments": arguments,
            "environment": environment,
            "folder": str(folder or Path.cwd()),
            "stdin": stdin.name,
            "stdout": stdout.name,
            "stderr": stderr.name,
            "seconds_max": COMMAND_SECONDS_MAX,
        }
        forking.stdin.write(json.dumps(asked) + "\n")
        forking.stdin.flush()
        code = int(forking.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())


@dataclass
class Operator:
    """Runs commands on the database of `dsn`, at a terminal of 80 columns."""

    dsn: str

    def run(self, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        chosen = {**environment_for(self.dsn), "COLUMNS": str(COLUMNS), **environment}
        done = command(chosen, *arguments, typed=typed)
        return subprocess.CompletedProcess(
            arguments, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def does(self, *arguments: str) -> Any:
        """The JSON that a command answers."""
        return json.loads(self.shows(*arguments, "--json"))

    def shows(self, *arguments: str, **environment: str) -> str:
        """What a command prints for a person."""
        done = self.run(*arguments, **environment)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def is_refused(self, *arguments: str, **environment: str) -> str:
        """The lines that say why; a machine is told the same."""
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        lines = done.stderr.splitlines()
        assert lines
        assert all(line.startswith("premade: ") for line in lines), done.stderr
        answer = json.loads(done.stdout)
        assert set(answer) == {"error"}
        assert answer["error"]["code"].isupper()
        assert answer["error"]["detail"] == "; ".join(line.removeprefix("premade: ") for line in lines)
        return done.stderr
