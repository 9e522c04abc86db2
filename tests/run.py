"""Run the tests on the embedded PostgreSQL and, beside them, some on a stand-alone PostgreSQL 15 if there is one.

`python tests/run.py` is what `make test` runs after `make check`. With `--all`, as in `make test-all`, nothing is left
out, and more of the tests run on both.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

STANDALONE_BINARIES = Path("/usr/lib/postgresql/15/bin")
DIFFERS_BY_VERSION = [
    "contract/test_migrating_under_load.py",
    "contract/test_plans.py",
    "contract/test_schema.py",
    "contract/test_statements.py",
    "contract/test_table_statistics.py",
    "concurrency",
    "lifecycle/test_whole_life.py",
]
"""Plans, locks and the life of tickets: where versions of PostgreSQL may differ."""
ALSO_ON_BOTH = ["contract", "concurrency", "lifecycle", "acceptance", "rules", "faults", "reservations"]
"""More rules, and faults, for a run that may take longer."""
SLOWEST = ["--durations=15", "--durations-min=10"]
"""Print the slowest tests at the end."""


def pytest(processes: int, *arguments: str, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start pytest and return its process."""
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
    """Return 0, or 1 if a test failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--all", action="store_true", help="leave nothing out, and run more of the tests on both versions"
    )
    is_all = options.parse_args().all
    on_both = ALSO_ON_BOTH if is_all else DIFFERS_BY_VERSION
    depth = [] if is_all else ["--quick"]
    # A background process may inherit an ignored SIGINT, and so would the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tests = Path(__file__).parent
    has_another = (STANDALONE_BINARIES / "initdb").exists()
    # Three processes on two processors: tests wait some of the time.
    with tempfile.TemporaryFile() as output:
        embedded = pytest(2, "--postgres=embedded", *depth, str(tests))
        runs = [embedded]
        if has_another:
            paths = [str(tests / path) for path in on_both]
            # Malformed requests do not reach the database, so one version is enough.
            paths.append(f"--ignore={tests / 'contract' / 'test_schemathesis.py'}")
            runs.append(pytest(1, "--postgres=standalone", *depth, *paths, output=output))
        codes = [run.wait() for run in runs]
        output.seek(0)
        print(output.read().decode(), flush=True)
    if not has_another:
        print(f"NOT RUN on a stand-alone PostgreSQL 15: there is none in {STANDALONE_BINARIES}.")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
