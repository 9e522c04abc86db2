"""Everything that `make test` runs after `make check`: the suite on the embedded PostgreSQL, and beside it what talks
to the database once more on a stand-alone PostgreSQL 15 where the machine has one."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

STANDALONE_BINARIES = Path("/usr/lib/postgresql/15/bin")
TALKS_TO_THE_DATABASE = ["acceptance", "rules", "concurrency", "faults", "contract", "reservations"]
SLOWEST = ["--durations=15", "--durations-min=10"]
"""Are told at the end: all of it may take 15 minutes on two processors."""


def pytest(processes: int, *arguments: str, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """A run that has begun."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        str(processes),
        "--dist",
        "loadfile",
        *SLOWEST,
        *arguments,
    ]
    if output is None:
        print("$", " ".join(command[1:]), flush=True)
    return subprocess.Popen(command, stdout=output, stderr=output)


def main() -> int:
    """0, or 1 when a test failed."""
    # A run in the background may have been told to ignore it, and the programs that tests interrupt would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tests = Path(__file__).parent
    has_another = (STANDALONE_BINARIES / "initdb").exists()
    # Together more processes than the two processors of a small machine: some of the time a test waits.
    with tempfile.TemporaryFile() as output:
        embedded = pytest(2, "--postgres=embedded", str(tests))
        runs = [embedded]
        if has_another:
            paths = [str(tests / folder) for folder in TALKS_TO_THE_DATABASE]
            # What thousands of odd requests find is the service's, whichever database it has.
            paths.append(f"--ignore={tests / 'contract' / 'test_schemathesis.py'}")
            runs.append(pytest(1, "--postgres=standalone", *paths, output=output))
        codes = [run.wait() for run in runs]
        output.seek(0)
        print(output.read().decode(), flush=True)
    if not has_another:
        print(f"NOT RUN on a stand-alone PostgreSQL 15: there is none in {STANDALONE_BINARIES}.")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
