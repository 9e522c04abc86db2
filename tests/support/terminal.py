"""Somebody at a terminal, who types the operator's commands."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.service import environment_for

COMMAND_SECONDS_MAX = 60
COLUMNS = 80


@cache
def _forking() -> subprocess.Popen[str]:
    """Ends with this process, when its standard input does."""
    program = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@dataclass
class Operator:
    """Runs each command in a process of its own, on the database of `dsn`.

    They are forked from one that has imported everything: imports take most of a command's time.
    """

    dsn: str

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        forking = _forking()
        assert forking.stdin
        assert forking.stdout
        with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
            asked = {
                "arguments": arguments,
                "environment": {**environment_for(self.dsn), "COLUMNS": str(COLUMNS), **environment},
                "stdout": stdout.name,
                "stderr": stderr.name,
                "seconds_max": COMMAND_SECONDS_MAX,
            }
            forking.stdin.write(json.dumps(asked) + "\n")
            forking.stdin.flush()
            code = int(forking.stdout.readline())
            return subprocess.CompletedProcess(
                arguments, code, stdout.read().decode(), stderr.read().decode()
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
