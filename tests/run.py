"""Everything that `make test` runs after `make check`: the suite on the embedded PostgreSQL, and what talks
to the database once more on a stand-alone PostgreSQL 15 where the machine has one."""

import signal
import subprocess
import sys
from pathlib import Path

STANDALONE_BINARIES = Path("/usr/lib/postgresql/15/bin")
TALKS_TO_THE_DATABASE = [
    "acceptance",
    "rules",
    "concurrency",
    "faults",
    "reservations",
    *(f"contract/test_{what}.py" for what in ("plans", "schema", "statements")),
]
# More than processors: much of the time a test waits.
PROCESSES = 3


def pytest(*arguments: str) -> None:
    """Ends this program when a test fails."""
    command = [sys.executable, "-m", "pytest", "-n", str(PROCESSES), "--dist", "loadfile", *arguments]
    print("$", " ".join(command[1:]), flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    # A run in the background may have been told to ignore it, and the programs that tests interrupt would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tests = Path(__file__).parent
    pytest("--postgres=embedded", str(tests))
    if not (STANDALONE_BINARIES / "initdb").exists():
        print(f"NOT RUN on a stand-alone PostgreSQL 15: there is none in {STANDALONE_BINARIES}.")
        return
    pytest("--postgres=standalone", *(str(tests / path) for path in TALKS_TO_THE_DATABASE))


if __name__ == "__main__":
    main()
